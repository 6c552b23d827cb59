import type { CompletionChoice } from 'openai/resources/completions';
import type { TokenLogprob } from '../../../chat/event.ts';

/**
 * Converts log probabilities to the format of this older API.
 *
 * @param offset characters of the choice's text before the first token
 */
export function toLogprobs(
  logprobs: readonly TokenLogprob[],
  offset: number,
): NonNullable<CompletionChoice['logprobs']> {
  const offsets: number[] = [];
  let next = offset;
  for (const { token } of logprobs) {
    offsets.push(next);
    next += token.length;
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
