import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** An upstream that answers most requests, and fails in every way on the others. */
export interface SoakUpstream {
  readonly url: string;
  /** Number of times that each fault was injected. */
  readonly faults: Readonly<Record<string, number>>;
  /** Number of running responses. */
  readonly open: number;
  /** Stops injecting faults. */
  heal(): void;
  close(): Promise<void>;
}

export type Kind = 'ollama' | 'openai';

/** The injected faults. */
const faults = [
  'reset',
  'reset in head',
  'reset after a byte',
  'reset in a line',
  'end in a line',
  'stall before head',
  'stall after head',
  'stall in a line',
  '400',
  '404',
  '429',
  '500',
  '503',
  'page',
  'not json',
  'huge line',
  'not utf-8',
  'wrong type',
  'endless',
  'error line',
  'no done',
  'after done',
  'odd values',
  'slow',
] as const;
type Fault = (typeof faults)[number];

const words = ['The ', 'quick ', 'bröwn ', '🦙 ', 'jumps', '.\n'];

/** Milliseconds of a stall: longer than llamaduct's timeouts. */
const stall = 3_000;

/** @param share share of the requests that fail */
export async function soakUpstream(kind: Kind, random: Random, share: number): Promise<SoakUpstream> {
  const counts: Record<string, number> = {};
  let open = 0;
  let failing = share;
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Disconnects of clients are expected.
    req.on('error', () => undefined);
    res.on('error', () => undefined);
    req.on('end', () => {
      if (req.method === 'GET' || req.url === '/api/show') {
        res.end(JSON.stringify(listed));
        return;
      }
      open += 1;
      res.once('close', () => {
        open -= 1;
      });
      const fault = random.chance(failing) ? random.of(faults) : undefined;
      counts[fault ?? 'none'] = (counts[fault ?? 'none'] ?? 0) + 1;
      void answer(kind, req, res, Buffer.concat(chunks).toString(), fault, random);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${kind === 'openai' ? '/v1' : ''}`,
    faults: counts,
    get open() {
      return open;
    },
    heal: () => {
      failing = 0;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const names = ['red:latest', 'blue:latest', 'green:latest'];
const listed = {
  models: names.map((name) => ({ name, model: name, modified_at: '2026-11-21T03:56:00Z' })),
  data: names.map((id) => ({ id, object: 'model', created: 1 })),
  capabilities: ['completion'],
};

interface Shape {
  readonly contentType: string;
  /** @returns a line with the text; without a text the last line */
  readonly line: (text?: string) => string;
  /** Follows the last line. */
  readonly after: string;
  readonly error: string;
  readonly odd: string;
}

function shapeOf(kind: Kind, url: string): Shape {
  if (kind === 'openai') {
    const chat = url.includes('/chat/');
    return {
      contentType: 'text/event-stream',
      line: (text) => {
        const part = chat ? { delta: text === undefined ? {} : { content: text } } : { text: text ?? '' };
        const choices = [{ index: 0, ...part, finish_reason: text === undefined ? 'stop' : null }];
        const usage = text === undefined ? { usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } } : {};
        return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices, ...usage })}\n\n`;
      },
      after: 'data: [DONE]\n\n',
      error: 'data: {"error":{"message":"it broke","type":"server_error"}}\n\n',
      odd: 'data: {"choices":[{"delta":{"content":5}}],"usage":{"prompt_tokens":-1,"completion_tokens":1e999}}\n\n',
    };
  }
  return {
    contentType: 'application/x-ndjson',
    line: (text) => {
      const content =
        url === '/api/generate' ? { response: text ?? '' } : { message: { role: 'assistant', content: text ?? '' } };
      const counts = {
        done_reason: 'stop',
        total_duration: 9e6,
        load_duration: 1e5,
        prompt_eval_count: 5,
        eval_count: 3,
        eval_duration: 8e6,
      };
      return `${JSON.stringify({ model: 'm', ...content, done: text === undefined, ...(text === undefined && counts) })}\n`;
    },
    after: '',
    error: '{"error":"it broke"}\n',
    odd: '{"message":{"content":5},"done":true,"eval_count":-1,"prompt_eval_count":1e999}\n',
  };
}

async function answer(
  kind: Kind,
  { url = '', socket }: IncomingMessage,
  res: ServerResponse,
  body: string,
  fault: Fault | undefined,
  random: Random,
): Promise<void> {
  const { after, contentType, error, line, odd } = shapeOf(kind, url);
  const json = (status: number, value: object): void => {
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
  const wait = async (milliseconds: number): Promise<void> => {
    if (!res.destroyed) await sleep(milliseconds);
  };
  if (/^\d/.test(fault ?? ''))
    return json(Number(fault), { error: kind === 'ollama' ? 'it broke' : { message: 'it broke' } });
  switch (fault) {
    case 'reset':
      return void socket.resetAndDestroy();
    case 'reset in head':
      socket.write('HTTP/1.1 200 OK\r\ncontent-ty');
      return void socket.resetAndDestroy();
    case 'stall before head':
      await wait(stall);
      return void res.destroy();
    case 'page':
      return void res.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    case 'not json':
      return void res.writeHead(200, { 'content-type': contentType }).end('{{{\n\n');
    default:
  }
  if (/embed/.test(url)) {
    if (fault !== undefined) return void res.destroy();
    const { input } = JSON.parse(body) as { input: unknown };
    const vectors = Array.from({ length: Array.isArray(input) ? input.length : 1 }, () => [0.5, -1]);
    const data = vectors.map((embedding, index) => ({ object: 'embedding', index, embedding }));
    return json(200, { embeddings: vectors, data, usage: { prompt_tokens: 2 }, prompt_eval_count: 2 });
  }
  res.writeHead(200, { 'content-type': fault === 'wrong type' ? 'image/png' : contentType });
  const first = line(random.of(words));
  switch (fault) {
    case 'stall after head':
      res.flushHeaders();
      await wait(stall);
      return void res.destroy();
    case 'reset after a byte':
      res.write(first.slice(0, 1));
      await wait(5);
      return void socket.resetAndDestroy();
    case 'reset in a line':
    case 'end in a line':
    case 'stall in a line':
      res.write(first + first.slice(0, 12));
      await wait(fault === 'stall in a line' ? stall : 5);
      return void (fault === 'end in a line' ? res.end() : res.destroy());
    case 'huge line':
      return void res.end(first + line('x'.repeat(400_000)));
    case 'not utf-8':
      res.write(Buffer.concat([Buffer.from(first), Buffer.from([0xff, 0xfe, 0x0a])]));
      return void res.end(line());
    case 'error line':
      return void res.end(first + error);
    case 'no done':
      return void res.end(first);
    case 'odd values':
      return void res.end(first + odd + line() + after);
    case 'endless':
      // Until the reader leaves, for at most three seconds.
      for (let times = 0; times < 300 && !res.destroyed; times += 1) {
        res.write(line(random.of(words)));
        await sleep(10);
      }
      return void res.destroy();
    default:
  }
  const count = 1 + random.below(12);
  for (let times = 0; times < count && !res.destroyed; times += 1) {
    res.write(line(random.of(words)));
    await sleep(fault === 'slow' ? 150 : random.below(15));
  }
  res.end(line() + after + (fault === 'after done' ? `${first}{{{\n` : ''));
}
