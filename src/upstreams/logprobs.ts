import type { TokenLogprob } from '../chat/event.ts';
import { isObject } from '../framing/json.ts';

type Logprob = Omit<TokenLogprob, 'top_logprobs'>;

/** Reads log probabilities in the form of OpenAI's chat API, which Ollama uses too. Invalid entries are left out. */
export function readLogprobs(value: unknown): TokenLogprob[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isObject).flatMap((entry) => {
    const top = entry['top_logprobs'];
    return readLogprob(entry).map((logprob) => ({
      ...logprob,
      top_logprobs: (Array.isArray(top) ? top : []).filter(isObject).flatMap(readLogprob),
    }));
  });
}

/** @returns one log probability, or none when the entry is invalid */
function readLogprob({ token, logprob, bytes }: Readonly<Record<string, unknown>>): Logprob[] {
  if (typeof token !== 'string' || typeof logprob !== 'number' || !Number.isFinite(logprob)) return [];
  return [{ token, logprob, bytes: isBytes(bytes) ? bytes : null }];
}

function isBytes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(Number.isInteger);
}
