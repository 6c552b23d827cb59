import type { CompletionChoice } from 'openai/resources/completions';
import type { TokenLogprob } from '../../../chat/event.ts';

/**
 * Log probabilities as the older API has them.
 *
 * @param offset characters of the choice's text before the first token
 */
export function toLogprobs(
  logprobs: readonly TokenLogprob[],
  offset: number,
): NonNullable<CompletionChoice['logprobs']> {
  const offsets: number[] = [];
  let at = offset;
  for (const { token } of logprobs) {
    offsets.push(at);
    at += token.length;
  }
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: offsets,
  };
}
