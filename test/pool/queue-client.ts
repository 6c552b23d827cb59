import assert from 'node:assert/strict';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret } from '../helpers/gateway.ts';
import type { HeldUpstream } from '../helpers/held-upstream.ts';
import { until } from '../helpers/wait.ts';

export const depth = 'llamaduct_queue_depth{upstream="ollama"}';
export const inFlight = 'llamaduct_upstream_in_flight{upstream="ollama"}';

/** The keys `tester`, `x` and `y`. The secrets of `x` and `y` are `ld-x` and `ld-y`. */
export const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  ...['x', 'y'].map((name) => ({ name, hash: hashSecret(`ld-${name}`) })),
];

/** Settings for an upstream with one slot. */
export const oneSlot = { keys, upstream: { parallel: 1 }, timeouts: { grace: '100ms' } };

/** Milliseconds for any answer, with the time in the queue. */
const deadline = 15_000;

export interface WholeResponse {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Sends a chat with the key `x` or `y`, and reads the whole response. */
export async function chat(
  gateway: TestGateway,
  key: string,
  content: string,
  body: object = {},
  init: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<WholeResponse> {
  const headers = { authorization: `Bearer ld-${key}`, ...init.headers };
  const signal = AbortSignal.timeout(deadline);
  const messages = [{ role: 'user', content }];
  return await whole(await gateway.chat({ messages, ...body }, { signal, ...init, headers }));
}

/** Sends a POST with the key `x` or `y`, and reads the whole response. */
export async function post(gateway: TestGateway, path: string, body: object, key = 'x'): Promise<WholeResponse> {
  const headers = { authorization: `Bearer ld-${key}` };
  const text = JSON.stringify({ model: 'scripted-plain', ...body });
  const signal = AbortSignal.timeout(deadline);
  return await whole(await gateway.fetch(path, { method: 'POST', body: text, headers, signal }));
}

export async function whole(response: Response): Promise<WholeResponse> {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Waits until this number of requests is queued. */
export async function queued(gateway: TestGateway, count: number): Promise<void> {
  await until(`${count} queued requests`, async () => (await gateway.metric(depth)) === count);
}

/** Waits until no slot is in use, then shows that the next request gets one. */
export async function assertFree(gateway: TestGateway, upstream: HeldUpstream): Promise<void> {
  await until('the release of the slot', async () => (await gateway.metric(inFlight)) === 0);
  assert.equal(await gateway.metric(depth), 0);
  upstream.flow();
  const after = await chat(gateway, 'x', 'after');
  assert.deepEqual([after.status, upstream.order.at(-1)], [200, 'after']);
}

/** Waits for the log line of a request with this outcome. */
export async function logLine(gateway: TestGateway, outcome: string): Promise<Record<string, unknown>> {
  let line: Record<string, unknown> | undefined;
  await until(`a log line with the outcome ${outcome}`, () => {
    line = gateway.log.find((entry) => entry['outcome'] === outcome && entry['route'] !== '/metrics');
    return line !== undefined;
  });
  return line ?? {};
}

export interface Endpoint {
  readonly path: string;
  readonly body: (text: string) => object;
  /** Status of a response when the server is too busy. */
  readonly busyStatus: number;
  /** The code, type or text of an error, as the API of this endpoint has it. */
  readonly errorIn: (body: unknown) => unknown;
}

const errorCode = (body: unknown): string => (body as { error: { code: string } }).error.code;
const errorType = (body: unknown): string => (body as { error: { type: string } }).error.type;
const errorText = (body: unknown): string => (body as { error: string }).error;
const messagesOf = (content: string): object => ({ messages: [{ role: 'user', content }] });

/** Every endpoint that runs a model. */
export const endpoints: readonly Endpoint[] = [
  { path: '/v1/chat/completions', body: messagesOf, busyStatus: 503, errorIn: errorCode },
  { path: '/v1/completions', body: (prompt) => ({ prompt }), busyStatus: 503, errorIn: errorCode },
  { path: '/v1/responses', body: (input) => ({ input }), busyStatus: 503, errorIn: errorCode },
  { path: '/v1/embeddings', body: (input) => ({ input }), busyStatus: 503, errorIn: errorCode },
  {
    path: '/v1/messages',
    body: (content) => ({ max_tokens: 9, ...messagesOf(content) }),
    busyStatus: 529,
    errorIn: errorType,
  },
  { path: '/api/chat', body: messagesOf, busyStatus: 503, errorIn: errorText },
  { path: '/api/generate', body: (prompt) => ({ prompt }), busyStatus: 503, errorIn: errorText },
  { path: '/api/embed', body: (input) => ({ input }), busyStatus: 503, errorIn: errorText },
];
