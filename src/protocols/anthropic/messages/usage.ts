import type { Usage as AnthropicUsage, MessageDeltaUsage } from '@anthropic-ai/sdk/resources/messages';
import type { Usage } from '../../../chat/event.ts';

/** Fields of which nothing is known here. */
const unknown = { inference_geo: null, service_tier: null, speed: null };

/** Without the tokens that were read from the cache if the backend did not report them: 0 would say that it was missed. */
type WithoutRead<Counts> = Omit<Counts, 'cache_read_input_tokens'> & { readonly cache_read_input_tokens?: number };

/** @param searches number of web searches with results @returns the usage of a complete message. Anthropic does not count cached tokens as input. */
export function toUsage(usage: Usage, searches = 0): WithoutRead<AnthropicUsage> {
  return { ...toDeltaUsage(usage, searches), input_tokens: uncachedTokens(usage), cache_creation: null, ...unknown };
}

/** @returns the usage in the `message_delta` at the end of a stream */
export function toDeltaUsage(usage: Usage, searches = 0): WithoutRead<MessageDeltaUsage> {
  const { outputTokens, cachedTokens, reasoningTokens } = usage;
  return {
    input_tokens: uncachedTokens(usage),
    output_tokens: outputTokens,
    cache_creation_input_tokens: 0,
    ...(cachedTokens !== undefined && { cache_read_input_tokens: cachedTokens }),
    output_tokens_details: reasoningTokens === undefined ? null : { thinking_tokens: reasoningTokens },
    server_tool_use: searches === 0 ? null : { web_search_requests: searches, web_fetch_requests: 0 },
  };
}

function uncachedTokens({ inputTokens, cachedTokens = 0 }: Usage): number {
  return Math.max(0, inputTokens - cachedTokens);
}
