import type {
  ResponseFunctionToolCall,
  ResponseInputImage,
  ResponseInputText,
  ResponseOutputMessage,
  ResponseOutputRefusal,
  ResponseOutputText,
  ResponseReasoningItem,
} from 'openai/resources/responses/responses';
import type { TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';

/** The kinds of items that are understood here; all others are dropped into the ledger. */
export type Item = InputMessage | OutputMessage | Call | CallOutput | Reasoning;

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** Where a client gave no id, the item has none until it is kept. */
interface InputMessage {
  readonly type: 'message';
  readonly id?: string;
  readonly role: 'user' | 'system' | 'developer';
  readonly status: ItemStatus;
  readonly content: readonly (ResponseInputText | ResponseInputImage)[];
}

interface OutputMessage {
  readonly type: 'message';
  readonly id?: string;
  readonly role: 'assistant';
  readonly status: ItemStatus;
  readonly content: readonly (ResponseOutputText | ResponseOutputRefusal)[];
}

interface Call {
  readonly type: 'function_call';
  readonly id?: string;
  readonly call_id: string;
  readonly name: string;
  readonly arguments: string;
  readonly status: ItemStatus;
}

interface CallOutput {
  readonly type: 'function_call_output';
  readonly id?: string;
  readonly call_id: string;
  readonly output: string | readonly ResponseInputText[];
  readonly status: ItemStatus;
}

interface Reasoning {
  readonly type: 'reasoning';
  readonly id?: string;
  readonly summary: readonly ResponseReasoningItem.Summary[];
  readonly content?: readonly ResponseReasoningItem.Content[];
  readonly status?: ItemStatus;
}

/** What answers consist of. */
export type OutputItem = (ResponseOutputMessage | ResponseReasoningItem | ResponseFunctionToolCall) & { id: string };

export function outputText(text: string, logprobs: readonly TokenLogprob[] = []): ResponseOutputText {
  return {
    type: 'output_text',
    text,
    annotations: [],
    logprobs: logprobs.map(({ token, logprob, bytes, top_logprobs: top }) => ({
      token,
      logprob,
      bytes: bytes ?? [],
      top_logprobs: top.map((other) => ({ token: other.token, logprob: other.logprob, bytes: other.bytes ?? [] })),
    })),
  };
}

export function messageItem(
  id: string,
  status: ItemStatus,
  content: ResponseOutputMessage['content'],
): ResponseOutputMessage {
  return { type: 'message', id, status, role: 'assistant', content };
}

/** Thinking goes out as a summary: that is where clients look for it. */
export function reasoningItem(
  id: string,
  status: ItemStatus,
  summary: ResponseReasoningItem['summary'],
): ResponseReasoningItem {
  return { type: 'reasoning', id, status, summary };
}

export function summaryText(text: string): ResponseReasoningItem.Summary {
  return { type: 'summary_text', text };
}

export function callItem(
  id: string,
  status: ItemStatus,
  { id: callId, name, arguments: text }: ToolCallEvent,
): ResponseFunctionToolCall & { id: string } {
  return { type: 'function_call', id, status, call_id: callId, name, arguments: text };
}
