import type { Response } from 'openai/resources/responses/responses';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { FinishReason, Usage } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { citationsIn, resultsOf } from '../../../chat/search.ts';
import { compactionItem } from './compaction/item.ts';
import { itemId, responseId } from './ids.ts';
import { type OutputItem, messageItem, outputText, reasoningItem } from './items.ts';
import { endedSearchItem } from './search/items.ts';
import { type OfferedTools, callItem, callItemType } from './tools/index.ts';
import { toResponseUsage } from './usage.ts';

/** A response as it is sent. SDKs add `output_text` themselves. */
export type ResponseBody = Omit<Response, 'output_text' | 'access_programs' | 'usage'> & {
  readonly usage?: ReturnType<typeof toResponseUsage>;
};

/** The fields of a request that its response repeats. */
export type Echo = Pick<
  ResponseBody,
  | 'background'
  | 'conversation'
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

/** The part of a response that its request decides. */
export interface ResponseShape {
  readonly echo: Echo;
  /** The tools that the model may call. */
  readonly offered: OfferedTools;
  /** True to repeat thinking in `encrypted_content`. */
  readonly sealsReasoning: boolean;
}

/** The fields that change while a response is made. */
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

/** @returns the status of an answer that ended, and why it is incomplete if it was cut */
export function toStatus(reason: FinishReason): Pick<Progress, 'incomplete'> & { status: 'completed' | 'incomplete' } {
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

/** @returns an answer that is not streamed: its thinking, its text, then its calls */
export function toResponse(head: AnswerHead, shape: ResponseShape, result: ChatResult): ResponseBody {
  const { echo, offered, sealsReasoning: isSealed } = shape;
  const id = responseId(head);
  const { text, reasoning, toolCalls, logprobs, finishReason, usage, turns = [] } = result;
  const ending = toStatus(finishReason);
  const output: OutputItem[] = [];
  const nextId = (type: OutputItem['type']): string => itemId(type, id, 'output', output.length);
  for (const turn of turns) {
    if (turn.reasoning !== '') {
      output.push(reasoningItem(nextId('reasoning'), 'completed', { text: turn.reasoning, isSealed }));
    }
    if (turn.text !== '') output.push(messageItem(nextId('message'), 'completed', [outputText(turn.text)]));
    for (const search of turn.searches) output.push(endedSearchItem(nextId('web_search_call'), search));
  }
  if (reasoning !== '') {
    const status = text === '' && toolCalls.length === 0 ? ending.status : 'completed';
    output.push(reasoningItem(nextId('reasoning'), status, { text: reasoning, isSealed }));
  }
  // An empty answer is still a message: some clients repeat the request when there is none.
  if (text !== '' || toolCalls.length === 0) {
    const status = toolCalls.length === 0 ? ending.status : 'completed';
    const citations = citationsIn(text, resultsOf(turns));
    output.push(messageItem(nextId('message'), status, [outputText(text, logprobs, citations)]));
  }
  for (const call of toolCalls) {
    const tool = offered.called(call.name);
    output.push(callItem(nextId(callItemType(tool)), tool, call));
  }
  return responseBody(id, head, echo, { ...ending, output, usage });
}

/** @returns an answer that is one item with the summary of the conversation */
export function toCompaction(head: AnswerHead, echo: Echo, result: ChatResult): ResponseBody {
  const id = responseId(head);
  const output = [compactionItem(itemId('compaction', id, 'output', 0), result.text)];
  return responseBody(id, head, echo, { ...toStatus(result.finishReason), output, usage: result.usage });
}
