import type { TokenLogprob } from '../chat/event.ts';
import { isObject } from '../framing/json.ts';

type Logprob = Omit<TokenLogprob, 'top_logprobs'>;

/** Reads log probabilities as OpenAI's chats have them, and Ollama. One that cannot be read is left out. */
export function readLogprobs(given: unknown): TokenLogprob[] {
  if (!Array.isArray(given)) return [];
  return given.filter(isObject).flatMap((one) => {
    const { top_logprobs: tops } = one;
    return readLogprob(one).map((logprob) => ({
      ...logprob,
      top_logprobs: (Array.isArray(tops) ? tops : []).filter(isObject).flatMap(readLogprob),
    }));
  });
}

function readLogprob({ token, logprob, bytes }: Readonly<Record<string, unknown>>): Logprob[] {
  if (typeof token !== 'string' || typeof logprob !== 'number' || !Number.isFinite(logprob)) return [];
  return [{ token, logprob, bytes: isBytes(bytes) ? bytes : null }];
}

function isBytes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(Number.isInteger);
}
