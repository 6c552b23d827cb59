import type {
  ResponseFunctionWebSearch,
  ResponseInputAudio,
  ResponseInputFile,
  ResponseInputImage,
  ResponseInputText,
  ResponseOutputMessage,
  ResponseOutputRefusal,
  ResponseOutputText,
  ResponseReasoningItem,
} from 'openai/resources/responses/responses';
import type { TokenLogprob } from '../../../chat/event.ts';
import type { Citation } from '../../../chat/search.ts';
import type { CompactionItem } from './compaction/item.ts';
import { sealReasoning } from './reasoning.ts';
import type { CallItem } from './tools/call-items.ts';
import type { SearchItem } from './search/items.ts';
import type { ToolItem } from './tools/tool-items.ts';

/** A part of an input message or of a tool's output. Those of other types are kept as they are, and left out of the prompt. */
export type InputPart = ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseInputAudio;

/** An item of a type that is supported. Input items of all other types are dropped. */
export type Item =
  | InputMessage
  | OutputMessage
  | FunctionCall
  | FunctionCallOutput
  | Reasoning
  | ToolItem
  | SearchItem
  | Compaction
  | CompactionTrigger
  | AgentMessage;

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** Like all input items, it has no id until it is stored, unless the client sent one. */
interface InputMessage {
  readonly type: 'message';
  readonly id?: string;
  /** user, system, developer, or a role that only some models know. */
  readonly role: Exclude<string, 'assistant'>;
  readonly status: ItemStatus;
  readonly content: readonly InputPart[];
}

interface OutputMessage {
  readonly type: 'message';
  readonly id?: string;
  readonly role: 'assistant';
  readonly status: ItemStatus;
  readonly content: readonly (ResponseOutputText | ResponseOutputRefusal)[];
}

interface FunctionCall {
  readonly type: 'function_call';
  readonly id?: string;
  readonly call_id: string;
  readonly name: string;
  readonly namespace?: string;
  readonly arguments: string;
  readonly status: ItemStatus;
}

interface FunctionCallOutput {
  readonly type: 'function_call_output';
  readonly id?: string;
  readonly call_id: string;
  readonly output: string | readonly InputPart[];
  readonly status: ItemStatus;
}

interface Reasoning {
  readonly type: 'reasoning';
  readonly id?: string;
  readonly summary: readonly ResponseReasoningItem.Summary[];
  readonly content?: readonly ResponseReasoningItem.Content[];
  readonly status?: ItemStatus;
}

/** A summary of the conversation before it. */
interface Compaction {
  readonly type: 'compaction';
  readonly id?: string;
  readonly encrypted_content: unknown;
}

/** Asks for a summary of the conversation before it. */
interface CompactionTrigger {
  readonly type: 'compaction_trigger';
  readonly id?: string;
}

/** A message of another agent of the client. */
export interface AgentMessage {
  readonly type: 'agent_message';
  readonly id?: string;
  /** '' for one whose author is not known. */
  readonly author: string;
  readonly content: readonly InputPart[];
}

/** An item of an answer. */
export type OutputItem = (
  | ResponseOutputMessage
  | ResponseReasoningItem
  | ResponseFunctionWebSearch
  | CallItem
  | CompactionItem
) & { id: string };

/** @see https://platform.openai.com/docs/api-reference/responses/object (output) */
export function outputText(
  text: string,
  logprobs: readonly TokenLogprob[] = [],
  citations: readonly Citation[] = [],
): ResponseOutputText {
  return {
    type: 'output_text',
    text,
    annotations: citations.map(toAnnotation),
    logprobs: logprobs.map(({ token, logprob, bytes, top_logprobs: top }) => ({
      token,
      logprob,
      bytes: bytes ?? [],
      top_logprobs: top.map((other) => ({ token: other.token, logprob: other.logprob, bytes: other.bytes ?? [] })),
    })),
  };
}

/** @returns the annotation for the address of a search result in a text */
export function toAnnotation({ title, url, start, end }: Citation): ResponseOutputText.URLCitation {
  return { type: 'url_citation', start_index: start, end_index: end, url, title };
}

/** @returns a message of the assistant */
export function messageItem(
  id: string,
  status: ItemStatus,
  content: ResponseOutputMessage['content'],
): ResponseOutputMessage {
  return { type: 'message', id, status, role: 'assistant', content };
}

/**
 * @param text of the thinking so far; undefined for thinking that has not begun
 * @param isSealed true to repeat the text in `encrypted_content`
 * @returns an item of thinking, which is sent as a summary, because that is where clients look for it
 */
export function reasoningItem(
  id: string,
  status: ItemStatus,
  { text, isSealed }: { readonly text: string | undefined; readonly isSealed: boolean },
): ResponseReasoningItem {
  const summary = text === undefined ? [] : [summaryText(text)];
  return { type: 'reasoning', id, status, summary, ...(isSealed && { encrypted_content: sealReasoning(text ?? '') }) };
}

/** @returns the one part of a summary */
export function summaryText(text: string): ResponseReasoningItem.Summary {
  return { type: 'summary_text', text };
}
