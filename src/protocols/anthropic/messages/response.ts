import type { Message, MessageTokensCount } from '@anthropic-ai/sdk/resources/messages';
import { estimatedInputTokens } from '../../../chat/estimate.ts';
import type { GenerationRequest } from '../../../chat/request.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { type AnswerBlock, signature, toToolUse } from './blocks.ts';
import { toStop } from './stop-reason.ts';
import { toUsage } from './usage.ts';

/** A message; its blocks are those that answers here consist of. */
export type Answer = Omit<Message, 'content'> & { readonly content: readonly AnswerBlock[] };

/** A whole answer as one `message`. @throws {GatewayError} for a tool call that cannot be told */
export function toMessage(results: readonly ChatResult[], { usage }: TotalUsage, head: AnswerHead): Answer {
  const [result] = results;
  return {
    ...emptyMessage(head),
    content: result === undefined ? [] : toBlocks(result),
    ...(result && toStop(result.finishReason, result.stopSequence)),
    usage: toUsage(usage),
  };
}

/** A message before there is any of it. */
export function emptyMessage({ id, model }: AnswerHead, inputTokens = 0): Answer {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: toUsage({ inputTokens, outputTokens: 0 }),
  };
}

function toBlocks({ reasoning, text, toolCalls }: ChatResult): AnswerBlock[] {
  return [
    ...(reasoning === '' ? [] : [{ type: 'thinking' as const, thinking: reasoning, signature }]),
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...toolCalls.map(toToolUse),
  ];
}

/** What the backend counted; an estimate where it counts nothing. */
export function toTokenCount({ usage }: TotalUsage, request: GenerationRequest): MessageTokensCount {
  return { input_tokens: usage.inputTokens || estimatedInputTokens(request) };
}
