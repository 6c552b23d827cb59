import { type Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** Results of all clients. */
export interface Results {
  /** Number of responses by status. */
  readonly statuses: Record<string, number>;
  /** Number of clients that left early. */
  left: number;
  /** Descriptions of responses that llamaduct must not give. */
  readonly failures: string[];
}

const models = ['red', 'blue:latest', 'green', 'unknown'];

interface SoakRequest {
  readonly path: string;
  readonly body: string;
}

/** @returns a random request in one of the dialects; some are malformed */
function randomRequest(random: Random): SoakRequest {
  const model = random.of(models);
  const stream = random.chance(0.6);
  const content = 'hi '.repeat(1 + random.below(200));
  const messages = [{ role: 'user', content }];
  const kinds: [path: string, body: object][] = [
    ['/v1/chat/completions', { model, messages, stream, n: random.chance(0.1) ? 3 : 1 }],
    ['/v1/completions', { model, prompt: content, stream }],
    ['/v1/responses', { model, input: content, stream }],
    [
      '/v1/messages',
      { model, messages, max_tokens: 50, stream, ...(random.chance(0.3) && { stop_sequences: ['jumps'] }) },
    ],
    ['/v1/messages/count_tokens', { model, messages }],
    ['/api/chat', { model, messages, stream }],
    ['/api/generate', { model, prompt: content, stream }],
    ['/v1/embeddings', { model, input: [content, 'two'] }],
    ['/api/embed', { model, input: content }],
  ];
  const [path, body] = random.of(kinds);
  const text = JSON.stringify(body);
  return { path, body: random.chance(0.05) ? text.slice(0, random.below(text.length)) : text };
}

/** Milliseconds within which every response must end. */
const deadline = 20_000;

type Behavior = 'reads' | 'leaves' | 'leaves in its body' | 'reads slowly';

/** Sends one request after the other until `end`, in milliseconds of `performance.now()`. */
export async function client(
  url: string,
  { agent, key, random }: { readonly agent: Agent; readonly key: string; readonly random: Random },
  end: number,
  results: Results,
): Promise<void> {
  while (performance.now() < end) {
    const draw = random.next();
    const behavior: Behavior =
      draw < 0.7 ? 'reads' : draw < 0.9 ? 'leaves' : draw < 0.95 ? 'leaves in its body' : 'reads slowly';
    const status = await once(url, agent, key, randomRequest(random), behavior, random, results);
    // After a 503 it waits, but not as long as Retry-After says.
    await sleep(status === 503 || status === 529 ? 200 + random.below(200) : random.below(20));
  }
}

/** Sends one request. @returns the status of the response; undefined when there was none */
async function once(
  url: string,
  agent: Agent,
  key: string,
  { path, body }: SoakRequest,
  behavior: Behavior,
  random: Random,
  results: Results,
): Promise<number | undefined> {
  const timer = new AbortController();
  let status: number | undefined;
  await new Promise<void>((resolve) => {
    const headers = { authorization: `Bearer ${key}`, 'content-length': String(Buffer.byteLength(body)) };
    const req = request(url + path, { method: 'POST', agent, headers }, (res) => {
      status = res.statusCode ?? 0;
      void read(res, behavior).then((text) => {
        results.statuses[String(status)] = (results.statuses[String(status)] ?? 0) + 1;
        // The text, since a 500 in Ollama's own API may come from the upstream.
        if (text.includes('llamaduct failed')) results.failures.push(`${status} ${path}: ${text.slice(0, 300)}`);
        resolve();
      }, resolve);
    });
    req.on('error', () => resolve());
    req.on('close', () => resolve());
    req.setTimeout(deadline, () => {
      results.failures.push(`${path} did not end in ${deadline} ms`);
      req.destroy();
    });
    if (behavior === 'leaves in its body') req.write(body.slice(0, body.length / 2));
    else req.end(body);
    if (!behavior.startsWith('leaves')) return;
    results.left += 1;
    // Usually before the first chunk, or in mid-stream.
    void sleep(random.below(150), undefined, { signal: timer.signal }).then(
      () => req.destroy(),
      () => undefined,
    );
  });
  timer.abort();
  return status;
}

async function read(res: IncomingMessage, behavior: Behavior): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of res as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (behavior === 'reads slowly') await sleep(50);
  }
  return Buffer.concat(chunks).toString();
}
