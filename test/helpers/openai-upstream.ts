import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Answer, type FakeUpstream, type SeenRequest, fakeUpstream } from './upstream.ts';

/**
 * An upstream with an OpenAI API on a real socket: it lists `models` and gives every POST to `answer`.
 *
 * @returns its address with the `/v1`, as SDKs take it; `requests` has what was posted
 */
export async function openaiUpstream(answer: Answer, models: readonly string[] = ['scripted']): Promise<FakeUpstream> {
  const list = models.map((id) => ({ id, object: 'model', created: 1795233600, owned_by: 'test' }));
  const upstream = await fakeUpstream(async (res, request) => {
    if (request.method === 'POST') return await answer(res, request);
    const found = request.url === '/v1/models';
    sendJson(res, found ? 200 : 404, found ? { object: 'list', data: list } : openaiError('Not found.'));
    return undefined;
  });
  return {
    url: `${upstream.url}/v1`,
    get requests(): SeenRequest[] {
      return upstream.requests.filter(({ method }) => method === 'POST');
    },
    get open() {
      return upstream.open;
    },
    [Symbol.asyncDispose]: async () => await upstream[Symbol.asyncDispose](),
  };
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function openaiError(message: string, rest: object = {}): object {
  return { error: { message, type: 'invalid_request_error', param: null, code: null, ...rest } };
}

/** A piece of a streamed chat completion. */
export function chunk(delta: object, finishReason: string | null = null): object {
  return { ...envelope, choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] };
}

/** The last piece, where the usage was asked for. */
export function usageChunk(promptTokens: number, completionTokens: number): object {
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
  return { ...envelope, choices: [], usage };
}

const envelope = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1795233600, model: 'scripted' };

/** Streams these pieces, a write each, and after them the end, a broken connection, or silence. */
export function stream(pieces: readonly object[], after: 'end' | 'break' | 'hold' = 'end'): Answer {
  return async (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) {
      await new Promise<void>((resolve) => {
        res.write(`data: ${JSON.stringify(piece)}\n\n`, () => resolve());
      });
      // Lets the reader have this piece before the next one.
      await nextTurn();
    }
    if (after === 'end') res.end('data: [DONE]\n\n');
    if (after === 'break') res.destroy();
  };
}

/** Streams an answer in these words, and its usage. */
export function saying(...words: readonly string[]): Answer {
  return stream([
    chunk({ role: 'assistant', content: '' }),
    ...words.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    usageChunk(9, words.length),
  ]);
}
