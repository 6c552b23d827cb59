import type { Logprob } from 'ollama';
import type { TokenLogprob } from '../../chat/event.ts';

/** Ollama also sends the bytes of a token, which the ollama package does not declare yet. */
type WireLogprob = Logprob & { bytes?: number[]; top_logprobs?: WireLogprob[] };

/** Converts log probabilities to those of Ollama. @see https://docs.ollama.com/api/chat (logprobs) */
export function toLogprobs(logprobs: readonly TokenLogprob[]): WireLogprob[] {
  return logprobs.map(({ top_logprobs: top, ...token }) => ({
    ...toToken(token),
    ...(top.length > 0 && { top_logprobs: top.map(toToken) }),
  }));
}

function toToken({ token, logprob, bytes }: Omit<TokenLogprob, 'top_logprobs'>): WireLogprob {
  return { token, logprob, ...(bytes !== null && { bytes }) };
}
