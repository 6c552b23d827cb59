import type { ChatCompletionTokenLogprob } from 'openai/resources/chat/completions';
import type { CompletionChoice } from 'openai/resources/completions';
import type { TokenLogprob } from '../../chat/event.ts';
import { readLogprobs } from '../logprobs.ts';

/**
 * The log probabilities of `/chat/completions` (`content`) or of `/completions` (the other fields). Some servers use the
 * form of one for the other. Any field may be null.
 */
export type WireLogprobs = Partial<CompletionChoice.Logprobs> & {
  content?: ChatCompletionTokenLogprob[] | null;
};

export function toTokenLogprobs({
  content,
  tokens,
  token_logprobs: values,
  top_logprobs: top,
}: WireLogprobs): TokenLogprob[] {
  if (Array.isArray(content)) return readLogprobs(content);
  if (!Array.isArray(tokens)) return [];
  return readLogprobs(
    tokens.map((token, index) => ({
      token,
      logprob: values?.[index] ?? 0,
      top_logprobs: Object.entries(top?.[index] ?? {}).map(([text, logprob]) => ({ token: text, logprob })),
    })),
  );
}
