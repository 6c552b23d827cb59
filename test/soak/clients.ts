import { type Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** What the clients have seen: how many answers of which status, how many left, and what should not have been. */
export interface Seen {
  readonly statuses: Record<string, number>;
  left: number;
  readonly wrong: string[];
}

const models = ['red', 'blue:latest', 'green', 'unknown'];

interface Asked {
  readonly path: string;
  readonly body: string;
}

/** A request in one of the dialects, now and then one that is wrong. */
function asked(random: Random): Asked {
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

/** Milliseconds in which every answer has to end. */
const patience = 20_000;

type Manner = 'reads' | 'leaves' | 'leaves in its body' | 'reads slowly';

/** Asks one request after the other until `end`. */
export async function client(
  url: string,
  { agent, key, random }: { readonly agent: Agent; readonly key: string; readonly random: Random },
  end: number,
  seen: Seen,
): Promise<void> {
  while (performance.now() < end) {
    const draw = random.next();
    const manner: Manner =
      draw < 0.7 ? 'reads' : draw < 0.9 ? 'leaves' : draw < 0.95 ? 'leaves in its body' : 'reads slowly';
    const status = await once(url, agent, key, asked(random), manner, random, seen);
    // Those that are told to come later do, though earlier than they are told.
    await sleep(status === 503 || status === 529 ? 200 + random.below(200) : random.below(20));
  }
}

/** @returns the status of the answer; undefined where there was none */
async function once(
  url: string,
  agent: Agent,
  key: string,
  { path, body }: Asked,
  manner: Manner,
  random: Random,
  seen: Seen,
): Promise<number | undefined> {
  const timer = new AbortController();
  let status: number | undefined;
  await new Promise<void>((resolve) => {
    const headers = { authorization: `Bearer ${key}`, 'content-length': String(Buffer.byteLength(body)) };
    const req = request(url + path, { method: 'POST', agent, headers }, (res) => {
      status = res.statusCode ?? 0;
      void read(res, manner).then((text) => {
        seen.statuses[String(status)] = (seen.statuses[String(status)] ?? 0) + 1;
        // A 500 in Ollama's own dialect may be the upstream's.
        if (text.includes('llamaduct failed')) seen.wrong.push(`${status} ${path}: ${text.slice(0, 300)}`);
        resolve();
      }, resolve);
    });
    req.on('error', () => resolve());
    req.on('close', () => resolve());
    req.setTimeout(patience, () => {
      seen.wrong.push(`${path} did not end in ${patience} ms`);
      req.destroy();
    });
    if (manner === 'leaves in its body') req.write(body.slice(0, body.length / 2));
    else req.end(body);
    if (!manner.startsWith('leaves')) return;
    seen.left += 1;
    // Mostly before the first piece, or in the middle.
    void sleep(random.below(150), undefined, { signal: timer.signal }).then(
      () => req.destroy(),
      () => undefined,
    );
  });
  timer.abort();
  return status;
}

async function read(res: IncomingMessage, manner: Manner): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of res as AsyncIterable<Buffer>) {
    pieces.push(piece);
    if (manner === 'reads slowly') await sleep(50);
  }
  return Buffer.concat(pieces).toString();
}
