import { setImmediate as nextTick } from 'node:timers/promises';
import type { Answer } from './upstream.ts';

export function openaiError(message: string, rest: object = {}): object {
  return { error: { message, type: 'invalid_request_error', param: null, code: null, ...rest } };
}

/** One chunk of a streamed chat completion. */
export function chunk(delta: object, finishReason: string | null = null): object {
  return { ...envelope, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] };
}

/** The last chunk of a stream with `include_usage`. */
export function usageChunk(promptTokens: number, completionTokens: number): object {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  return { ...envelope, choices: [], usage };
}

const envelope = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1795233600, model: 'scripted' };

/** Streams chunks, one write each. Afterwards it ends the stream, breaks the connection, or stays silent. */
export function stream(chunks: readonly object[], after: 'end' | 'break' | 'hold' = 'end'): Answer {
  return async (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const sent of chunks) {
      await new Promise<void>((resolve) => {
        res.write(`data: ${JSON.stringify(sent)}\n\n`, () => resolve());
      });
      // So that the reader gets this chunk before the next one.
      await nextTick();
    }
    if (after === 'end') res.end('data: [DONE]\n\n');
    if (after === 'break') res.destroy();
  };
}

/** Streams an answer of these words, and its usage. */
export function saying(...words: readonly string[]): Answer {
  return stream([
    chunk({ role: 'assistant', content: '' }),
    ...words.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    usageChunk(9, words.length),
  ]);
}
