import type { Message, MessageTokensCount } from '@anthropic-ai/sdk/resources/messages';
import type { ChatResult } from '../../../chat/accumulator.ts';
import { estimatedInputTokens } from '../../../chat/estimate.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { GenerationRequest } from '../../../chat/request.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { plainSignature, signatureWith } from '../../thinking-signature.ts';
import { type AnswerBlock, toToolUse } from './answer-blocks.ts';
import { toSearchResult, toSearchUse } from './search-blocks.ts';
import { toStop } from './stop-reason.ts';
import { toUsage } from './usage.ts';

/** The SDK's type, with the blocks that answers have here. */
export type AnswerMessage = Omit<Message, 'content' | 'usage'> & {
  readonly content: readonly AnswerBlock[];
  readonly usage: ReturnType<typeof toUsage>;
};

/**
 * @param omitsThinking true to put the thinking into its signature, for a client that does not want to see it
 * @returns an answer that is not streamed
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function toMessage(
  results: readonly ChatResult[],
  { usage }: TotalUsage,
  head: AnswerHead,
  omitsThinking: boolean,
): AnswerMessage {
  const [result] = results;
  return {
    ...emptyMessage(head),
    content: result === undefined ? [] : toBlocks(result, omitsThinking),
    ...(result && toStop(result.finishReason, result.stopSequence)),
    usage: toUsage(usage, countSearches(result)),
  };
}

/** @returns an answer without content, for a request that only warms the cache */
export function toEmptyMessage({ usage }: TotalUsage, head: AnswerHead): AnswerMessage {
  return { ...emptyMessage(head), ...toStop('length'), usage: toUsage(usage) };
}

/** @returns a message without content, as a stream starts with it */
export function emptyMessage({ id, model }: AnswerHead, inputTokens = 0): AnswerMessage {
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

function toBlocks({ turns = [], ...last }: ChatResult, omitsThinking: boolean): AnswerBlock[] {
  const earlier = turns.flatMap((turn): AnswerBlock[] => [
    ...textBlocks(turn, omitsThinking),
    ...turn.searches.flatMap((search) => [toSearchUse(search.id, search.query), toSearchResult(search)]),
  ]);
  return [...earlier, ...textBlocks(last, omitsThinking), ...last.toolCalls.map(toToolUse)];
}

/** A search that failed does not count. */
function countSearches(result: ChatResult | undefined): number {
  return (result?.turns ?? []).flatMap(({ searches }) => searches).filter(({ outcome }) => 'results' in outcome).length;
}

function textBlocks(
  { reasoning, text }: Pick<ChatResult, 'reasoning' | 'text'>,
  omitsThinking: boolean,
): AnswerBlock[] {
  const thinking = omitsThinking
    ? { thinking: '', signature: signatureWith(reasoning) }
    : { thinking: reasoning, signature: plainSignature };
  return [
    ...(reasoning === '' ? [] : [{ type: 'thinking' as const, ...thinking }]),
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
  ];
}

/** @returns the backend's own count, or an estimate if it reported none */
export function toTokenCount({ usage }: TotalUsage, request: GenerationRequest): MessageTokensCount {
  return { input_tokens: usage.inputTokens || estimatedInputTokens(request) };
}
