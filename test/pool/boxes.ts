import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { UpstreamConfig, Upstreams } from '../../src/config/schema.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { saying, sendJson } from '../helpers/openai-upstream.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

/** Of upstreams, in this order. */
const names = ['first', 'second', 'third'];

/** Upstreams in this order; the first is called `first`. */
export function boxes(upstreams: readonly Pick<FakeUpstream, 'url'>[], more: Partial<UpstreamConfig> = {}): Upstreams {
  const configs = upstreams.map(({ url }, index): UpstreamConfig => {
    return { name: names[index] ?? '', kind: 'ollama', url, ...more };
  });
  return configs as unknown as Upstreams;
}

/** Pauses that a test can wait for, and nobody who looks. */
export const quick = { retries: { attempts: 3, base: '5ms' }, health: { interval: '0s' } };
/** How often it was asked for an answer. */
export const asked = ({ requests }: FakeUpstream): number => requests.filter(({ method }) => method === 'POST').length;
/** Answers with a status, in the words of an Ollama. */
export const failing =
  (status: number): Answer =>
  (res) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end('{"error":"it failed"}');
  };
/** Breaks the connection. */
export const resetting: Answer = (res) => {
  res.destroy();
};

/** An address where nothing listens. */
export async function nowhere(): Promise<{ url: string }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return { url: `http://127.0.0.1:${port}` };
}

/** What comes of a question, which has to be answered. */
export async function said(gateway: TestGateway, content: string, body: object = {}): Promise<string> {
  const response = await gateway.chat({ messages: [{ role: 'user', content }], ...body });
  assert.equal(response.status, 200, await response.clone().text());
  return await response.text();
}

/** A server of kind openai whose list and whose answers can be changed. */
export interface OpenBox extends FakeUpstream {
  list: Answer;
  chat: Answer;
}

/** Starts one that lists `models` and answers. Its address goes with `kind: 'openai'`. */
export async function openBox(models: readonly string[] = ['scripted-plain']): Promise<OpenBox> {
  const listed = models.map((id) => ({ id, object: 'model', created: 1795233600, owned_by: 'test' }));
  const upstream = await fakeUpstream(async (res, request) => {
    await (request.method === 'POST' ? self.chat : self.list)(res, request);
  });
  const self: OpenBox = {
    url: `${upstream.url}/v1`,
    requests: upstream.requests,
    get open() {
      return upstream.open;
    },
    list: (res) => sendJson(res, 200, { object: 'list', data: listed }),
    chat: saying('Hello'),
    [Symbol.asyncDispose]: async () => await upstream[Symbol.asyncDispose](),
  };
  return self;
}

/** A page of something in front of a server that is gone. */
export const page =
  (status: number): Answer =>
  (res) => {
    res.writeHead(status, { 'content-type': 'text/html' }).end('<h1>It is gone</h1>');
  };

/** Says nothing. */
export const silent: Answer = () => undefined;
