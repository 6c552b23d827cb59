import type { ChatCompletionTokenLogprob } from 'openai/resources/chat/completions';
import type { CompletionChoice } from 'openai/resources/completions';
import type { TokenLogprob } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';

/** Of `/chat/completions`, or of `/completions`, where some servers use the form of the other. Any field may be null. */
export type WireLogprobs = Partial<CompletionChoice.Logprobs> & {
  content?: ChatCompletionTokenLogprob[] | null;
};

export function toTokenLogprobs(logprobs: WireLogprobs): TokenLogprob[] {
  const { content, tokens, token_logprobs: values, top_logprobs: tops } = logprobs;
  if (Array.isArray(content)) return content.filter(isObject).map(toTokenLogprob);
  return (Array.isArray(tokens) ? tokens : []).map((token, index) => ({
    token,
    logprob: values?.[index] ?? 0,
    bytes: null,
    top_logprobs: Object.entries(tops?.[index] ?? {}).map(([other, logprob]) => ({
      token: other,
      logprob,
      bytes: null,
    })),
  }));
}

function toTokenLogprob(given: ChatCompletionTokenLogprob): TokenLogprob {
  const { token, logprob, bytes, top_logprobs: tops } = given;
  return {
    token,
    logprob,
    bytes: bytes ?? null,
    top_logprobs: (tops ?? []).map((top) => ({ token: top.token, logprob: top.logprob, bytes: top.bytes ?? null })),
  };
}
