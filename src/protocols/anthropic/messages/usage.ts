import type { Usage as AnthropicUsage, MessageDeltaUsage } from '@anthropic-ai/sdk/resources/messages';
import type { Usage } from '../../../chat/event.ts';

/** Anthropic counts cached tokens beside the input, not within it. What nobody here knows is null. */
export function toUsage(usage: Usage): AnthropicUsage {
  return { ...toDeltaUsage(usage), input_tokens: uncached(usage), cache_creation: null, ...unknown };
}

/** The usage as the end of a stream tells it. */
export function toDeltaUsage(usage: Usage): MessageDeltaUsage {
  const { outputTokens, cachedTokens = 0, reasoningTokens } = usage;
  return {
    input_tokens: uncached(usage),
    output_tokens: outputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens_details: reasoningTokens === undefined ? null : { thinking_tokens: reasoningTokens },
    server_tool_use: null,
  };
}

const unknown = { inference_geo: null, service_tier: null, speed: null };

function uncached({ inputTokens, cachedTokens = 0 }: Usage): number {
  return Math.max(0, inputTokens - cachedTokens);
}
