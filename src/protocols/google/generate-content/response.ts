import type { ChatResult } from '../../../chat/accumulator.ts';
import type { FinishReason, ToolCallEvent, Usage } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { joinTurns } from '../../../chat/joined-turns.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { parseCallArguments } from '../../tool-calls.ts';
import { toGrounding } from './grounding.ts';

/** A part of an answer. @see https://ai.google.dev/api/caching#Part */
export type AnswerPart =
  | { readonly text: string; readonly thought?: true }
  | { readonly functionCall: { readonly id: string; readonly name: string; readonly args: object } };

/** @returns an answer that is not streamed. @see https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse */
export function toContentResponse(results: readonly ChatResult[], { usage }: TotalUsage, head: AnswerHead): object {
  return {
    candidates: results.map(toCandidate),
    usageMetadata: toUsageMetadata(usage),
    modelVersion: head.model,
    responseId: head.id,
  };
}

function toCandidate(result: ChatResult, index: number): object {
  const { finishReason, toolCalls, turns = [] } = result;
  const { text, reasoning, citations } = joinTurns(result);
  const searches = turns.flatMap((turn) => turn.searches);
  const grounding = toGrounding({ searches, citations, text, part: reasoning === '' ? 0 : 1 });
  return {
    content: { parts: toParts({ reasoning, text, toolCalls }), role: 'model' },
    finishReason: toFinishReason(finishReason),
    index,
    ...(grounding && { groundingMetadata: grounding }),
  };
}

function toParts({ reasoning, text, toolCalls }: Pick<ChatResult, 'reasoning' | 'text' | 'toolCalls'>): AnswerPart[] {
  const parts: AnswerPart[] = [
    ...(reasoning === '' ? [] : [{ text: reasoning, thought: true as const }]),
    ...(text === '' ? [] : [{ text }]),
    ...toolCalls.map(toCallPart),
  ];
  // SDKs take a content without parts for a broken answer.
  return parts.length > 0 ? parts : [{ text: '' }];
}

/** Arguments have to be an object: a text that is none becomes a field of one. */
export function toCallPart({ id, name, arguments: text }: ToolCallEvent): AnswerPart {
  const args = parseCallArguments(text);
  return { functionCall: { id, name, args: typeof args === 'string' ? { arguments: args } : args } };
}

/** Google's API has no reason of its own for calls. */
export function toFinishReason(reason: FinishReason): 'STOP' | 'MAX_TOKENS' | 'SAFETY' {
  switch (reason) {
    case 'stop':
    case 'tool_calls':
      return 'STOP';
    case 'length':
      return 'MAX_TOKENS';
    case 'content_filter':
      return 'SAFETY';
    default:
      return reason satisfies never;
  }
}

/** @see https://ai.google.dev/api/generate-content#UsageMetadata */
export function toUsageMetadata({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage): object {
  return {
    promptTokenCount: inputTokens,
    // Google does not count the tokens of thoughts here.
    candidatesTokenCount: Math.max(0, outputTokens - (reasoningTokens ?? 0)),
    totalTokenCount: inputTokens + outputTokens,
    ...(reasoningTokens !== undefined && { thoughtsTokenCount: reasoningTokens }),
    ...(cachedTokens !== undefined && { cachedContentTokenCount: cachedTokens }),
  };
}
