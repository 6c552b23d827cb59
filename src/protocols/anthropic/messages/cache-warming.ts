import type { ChatRequest } from '../../../chat/request.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';

/**
 * With `max_tokens: 0` the server only has to evaluate the prompt, so that the next request finds it in the cache. Servers generate at
 * least one token, which the client does not get.
 *
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pre-warming-the-cache
 */
export function isCacheWarming(maxTokens: unknown): boolean {
  return maxTokens === 0;
}

/** @returns the request for one token, without a format or a call that this token could violate */
export function forOneToken(request: ChatRequest): ChatRequest {
  const { format: _format, toolChoice: _choice, ...rest } = request;
  return { ...rest, sampling: { ...rest.sampling, maxTokens: 1 } };
}

/** @returns the usage without the token that the client does not get */
export function withoutOutput(total: TotalUsage): TotalUsage {
  const { inputTokens, cachedTokens } = total.usage;
  const usage = { inputTokens, outputTokens: 0, ...(cachedTokens !== undefined && { cachedTokens }) };
  return { ...total, usage };
}

/** @returns an encoder that writes a message without content */
export function emptyAnswer(encoder: Encoder): Encoder {
  return {
    write: (event, choice) =>
      event.type === 'finish'
        ? encoder.write({ type: 'finish', reason: 'length', usage: event.usage, timings: event.timings }, choice)
        : '',
    end: (total) => encoder.end(withoutOutput(total)),
    fail: (error) => encoder.fail(error),
    keepAlive: () => encoder.keepAlive?.() ?? '',
  };
}
