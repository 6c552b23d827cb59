import type { Response } from 'openai/resources/responses/responses';
import type { FinishReason, Usage } from '../../../chat/event.ts';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { itemId } from './ids.ts';
import { type OutputItem, callItem, messageItem, outputText, reasoningItem, summaryText } from './items.ts';
import { toResponseUsage } from './usage.ts';

/** A response as it goes over the wire: `output_text` is what the SDKs make of it. */
export type ResponseBody = Omit<Response, 'output_text' | 'access_programs'>;

/** What an answer repeats of its request. */
export type Echo = Pick<
  ResponseBody,
  | 'background'
  | 'instructions'
  | 'max_output_tokens'
  | 'max_tool_calls'
  | 'metadata'
  | 'parallel_tool_calls'
  | 'previous_response_id'
  | 'reasoning'
  | 'service_tier'
  | 'temperature'
  | 'text'
  | 'tool_choice'
  | 'tools'
  | 'top_logprobs'
  | 'top_p'
  | 'truncation'
>;

/** How far an answer is. */
interface Progress {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly output: OutputItem[];
  readonly incomplete?: ResponseBody['incomplete_details'];
  readonly error?: ResponseBody['error'];
  readonly usage?: Usage;
}

/** @see https://platform.openai.com/docs/api-reference/responses/object */
export function responseBody(id: string, head: AnswerHead, echo: Echo, progress: Progress): ResponseBody {
  const { status, output, incomplete = null, error = null, usage } = progress;
  return {
    id,
    object: 'response',
    created_at: head.created,
    status,
    completed_at: status === 'completed' ? Math.floor(head.now() / 1000) : null,
    error,
    incomplete_details: incomplete,
    model: head.model,
    output,
    ...echo,
    ...(usage !== undefined && { usage: toResponseUsage(usage) }),
  };
}

/** What a finished answer is: whole, or cut. */
export function ending(reason: FinishReason): Pick<Progress, 'incomplete'> & { status: 'completed' | 'incomplete' } {
  switch (reason) {
    case 'stop':
    case 'tool_calls':
      return { status: 'completed' };
    case 'length':
      return { status: 'incomplete', incomplete: { reason: 'max_output_tokens' } };
    case 'content_filter':
      return { status: 'incomplete', incomplete: { reason: 'content_filter' } };
    default:
      return reason satisfies never;
  }
}

/** A whole answer as one `response`. What came is told in the order thinking, text, calls. */
export function toResponse(
  id: string,
  head: AnswerHead,
  echo: Echo,
  { text, reasoning, toolCalls, logprobs, finishReason }: ChatResult,
  usage: Usage,
): ResponseBody {
  const end = ending(finishReason);
  const output: OutputItem[] = [];
  const newId = (type: OutputItem['type']): string => itemId(type, id, 'output', output.length);
  if (reasoning !== '') {
    const status = text === '' && toolCalls.length === 0 ? end.status : 'completed';
    output.push(reasoningItem(newId('reasoning'), status, [summaryText(reasoning)]));
  }
  // An answer without anything is still a message: some clients ask again where there is none.
  if (text !== '' || toolCalls.length === 0) {
    const status = toolCalls.length === 0 ? end.status : 'completed';
    output.push(messageItem(newId('message'), status, [outputText(text, logprobs)]));
  }
  for (const call of toolCalls) output.push(callItem(newId('function_call'), 'completed', call));
  return responseBody(id, head, echo, { ...end, output, usage });
}
