import type { Encoder } from '../../src/chat/contract.ts';
import { chatCompletions } from '../../src/protocols/openai/chat-completions/index.ts';
import { Translator } from '../../src/server/translator.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';

/** What ids and times are in the goldens. */
export const head = { id: 'chatcmpl-golden', created: 1795233600, model: 'golden' };

const maxLineBytes = 8 * 1024 * 1024;

/** A streamed chat completion with usage. */
const call = chatCompletions('both').read({
  model: 'golden',
  messages: [{ role: 'user', content: 'hi' }],
  stream_options: { include_usage: true },
});

export function chatCompletionEncoder(): Encoder {
  return call.encoder(head);
}

/** Translates a backend's bytes that arrive in these pieces. */
export function translate(pieces: readonly Uint8Array[], encoder: Encoder): string {
  const translator = new Translator([(emit) => ollama.decoder(call.requests[0], emit, maxLineBytes)], encoder);
  let text = '';
  for (const piece of pieces) text += translator.push(piece);
  return text + translator.end();
}
