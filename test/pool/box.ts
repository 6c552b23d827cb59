import type { AddressInfo } from 'node:net';
import { type RequestListener, type ServerResponse, createServer } from 'node:http';
import type { UpstreamConfig, Upstreams } from '../../src/config/schema.ts';
import { chatLine, doneLine, ndjson } from '../helpers/upstream.ts';

/** An Ollama whose parts fail one by one. */
export interface Box extends AsyncDisposable {
  readonly url: string;
  /** What becomes of questions for its lists, of models and of those in memory. */
  lists: 'told' | 'unanswered' | 'reset';
  /** How often it was asked for its models. */
  readonly listed: number;
  /** Requests that models run for, of which it has only sent the head and a word. */
  readonly begun: readonly ServerResponse[];
  /** How a request is answered that a model runs for. */
  answer: (res: ServerResponse) => void;
}

/** Starts one that answers. */
export async function box(models: readonly string[] = ['scripted-plain:latest']): Promise<Box> {
  let listed = 0;
  const begun: ServerResponse[] = [];
  const listener: RequestListener = (req, res) => {
    if (req.method === 'POST') {
      req.resume().on('end', () => {
        begun.push(res);
        self.answer(res);
      });
      return;
    }
    if (req.url === '/api/tags') listed += 1;
    if (self.lists === 'reset') res.destroy();
    if (self.lists !== 'told') return;
    const list = models.map((name) => ({ name, model: name, modified_at: '2026-11-21T03:56:00Z' }));
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ models: list }));
  };
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => {
    server.once('listening', resolve);
  });
  const self: Box = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lists: 'told',
    get listed() {
      return listed;
    },
    begun,
    answer: saying,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return self;
}

/** A whole answer. */
export function saying(res: ServerResponse): void {
  begin(res);
  end(res);
}

/** The first word of an answer. */
export function begin(res: ServerResponse): void {
  ndjson(res).write(chatLine('Hello'));
}

/** The end of an answer that has begun. */
export function end(res: ServerResponse): void {
  res.end(doneLine());
}

/** Boxes as upstreams `a`, `b` and so on. */
export function upstreamsOf(boxes: readonly Pick<Box, 'url'>[], more: Partial<UpstreamConfig> = {}): Upstreams {
  const configs = boxes.map(({ url }, index): UpstreamConfig => {
    return { name: 'abc'.charAt(index), kind: 'ollama', url, ...more };
  });
  return configs as unknown as Upstreams;
}
