import assert from 'node:assert/strict';
import { isObject } from '../../src/framing/json.ts';
import { type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { type Dialect, errorIn } from './dialects.ts';
import type { Fault, Outcome } from './faults.ts';
import { htmlPage } from './injections.ts';
import { answerWords } from './scripts.ts';
import { type FaultyUpstream, type UpstreamRequest, answerCompletely, faultyUpstream } from './upstream.ts';

/** llamaduct in front of a faulty upstream, and the dialect that its client speaks. */
export interface Harness extends AsyncDisposable {
  readonly upstream: FaultyUpstream;
  readonly gateway: TestGateway;
  readonly dialect: Dialect;
}

/** The response that a client received. */
interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** False when the connection was closed before the end of the response. */
  readonly complete: boolean;
}

/** Bytes of an endless response after which the client leaves. */
const leaveAfterBytes = 32 * 1024;

/** Limits and timeouts so small that tests need not wait for them. */
export const settings = {
  limits: { line: '64KiB', body: '1MiB' },
  timeouts: { connect: '2s', first_byte: '800ms', idle: '800ms', body: '800ms', grace: '100ms' },
} as const;

/** Keeps the only upstream in service, however many faults follow each other. */
const neverEjected = { health: { failures: 1000, interval: '0s' } };

export async function startHarness(
  dialect: Dialect,
  overrides: Parameters<typeof testGateway>[1] = {},
): Promise<Harness> {
  const upstream = await faultyUpstream();
  const { kind } = dialect;
  const url = kind === 'openai' ? `${upstream.url}/v1` : upstream.url;
  const gateway = await testGateway(
    { url },
    { ...settings, ...neverEjected, ...overrides, upstream: { kind, parallel: 4, ...overrides.upstream } },
  );
  return {
    upstream,
    gateway,
    dialect,
    ...ending(gateway, upstream),
  };
}

/** Sends a request in the harness's dialect. @param leaveAfter bytes of the response after which the client leaves */
export async function send({ gateway, dialect }: Harness, stream: boolean, leaveAfter = Infinity): Promise<Received> {
  const controller = new AbortController();
  const response = await gateway.fetch(stream ? dialect.path : (dialect.wholePath ?? dialect.path), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...dialect.body, stream }),
    signal: controller.signal,
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  let complete = true;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array);
      length += (chunk as Uint8Array).length;
      if (length > leaveAfter) controller.abort();
    }
  } catch {
    complete = false;
  }
  return { status: response.status, headers: response.headers, bytes: Buffer.concat(chunks), complete };
}

/**
 * Sends a request to an upstream that fails, and asserts what must hold for every fault: at most one error, in the
 * client's dialect; the upstream's connection closed unless it is reusable; nothing left in flight.
 *
 * @returns what the client got
 */
export async function exchangeWith(fault: Fault, harness: Harness, streamed: boolean): Promise<Outcome> {
  const { upstream, gateway } = harness;
  gateway.log.length = 0;
  const earlier = upstream.requests.length;
  let outcome: Outcome | undefined;
  const exchange = async (): Promise<void> => {
    upstream.inject = fault.inject;
    const received = await send(harness, streamed, fault.clientLeaves === true ? leaveAfterBytes : Infinity);
    outcome = outcomeOf(harness, received, streamed, await loggedErrorCode(gateway), upstream.requests[earlier]);
    if (fault.message !== undefined && outcome !== 'unchanged') {
      assert.match(received.bytes.toString('utf8'), fault.message);
    }
  };
  try {
    await (fault.around === undefined ? exchange() : fault.around(upstream, exchange));
  } finally {
    upstream.inject = answerCompletely;
  }
  assert.ok(upstream.requests.length - earlier <= 1, 'the upstream received more than one request');
  if (fault.connectionReusable !== true && outcome !== 'unchanged') {
    await until('the connection to the upstream to be closed', () => upstream.requests.slice(earlier).every(isClosed));
  }
  await idle(gateway);
  if (outcome === undefined) throw new Error('no exchange took place');
  return outcome;
}

export const isClosed = ({ closed }: UpstreamRequest): boolean => closed;

/** Values of the metrics when no exchange is in flight but the scrape itself. */
const idleMetrics = {
  llamaduct_in_flight: 1,
  'llamaduct_upstream_in_flight{upstream="ollama"}': 0,
  'llamaduct_queue_depth{upstream="ollama"}': 0,
};

/** Waits until no request is in flight or queued. */
export async function idle(gateway: TestGateway): Promise<void> {
  const expected = Object.entries(idleMetrics).map(([series, value]) => `${series} ${value}`);
  await until(expected.join(', '), async () => {
    const lines = new Set((await (await gateway.fetch('/metrics')).text()).split('\n'));
    return expected.every((line) => lines.has(line));
  });
}

/** Asserts that the next request gets a complete response. */
export async function assertServes(harness: Harness, streamed: boolean): Promise<void> {
  const { upstream } = harness;
  upstream.inject = answerCompletely;
  const earlier = upstream.requests.length;
  const received = await send(harness, streamed);
  assert.equal(outcomeOf(harness, received, streamed, undefined, upstream.requests[earlier]), 'complete');
}

/** @returns the error code that the log has for the exchange once it has ended; undefined when it did not fail */
export async function loggedErrorCode(gateway: TestGateway): Promise<string | undefined> {
  const lines = (): Record<string, unknown>[] =>
    gateway.log.filter(({ msg, route }) => msg === 'request' && route !== '/metrics');
  await until('the exchange to end', () => lines().length > 0);
  assert.equal(lines().length, 1, 'the exchange ended more than once');
  return lines()[0]?.['error'] as string | undefined;
}

/**
 * @param code the code in the log
 * @param request the upstream request of this exchange
 * @returns what the client got
 * @throws {AssertionError} when the response is neither an answer nor an error of the dialect
 */
export function outcomeOf(
  { dialect, upstream }: Harness,
  { status, headers, bytes, complete }: Received,
  streamed: boolean,
  code: string | undefined,
  request: UpstreamRequest | undefined,
): Outcome {
  const text = bytes.toString('utf8');
  const { path, format, passedThrough } = dialect;
  if (code === 'client_closed') return 'client left';
  if (!complete) {
    // Some clients of Ollama's and Google's APIs ignore errors in a stream, so the connection breaks after one.
    const endsWithError = /^\/(?:api|v1beta)\//.test(path) && /\{"error":[^\n]*\n+$/.test(text);
    if (!endsWithError) {
      assert.ok(passedThrough, `a translated response was cut off: ${text}`);
      return 'cut off';
    }
  } else if (path.startsWith('/api/') && status === 200 && streamed && code !== undefined) {
    assert.ok(passedThrough && request !== undefined, `a failed response ended cleanly: ${text}`);
    assert.ok(bytes.equals(Buffer.concat(request.sent)), `a failed response ended cleanly: ${text}`);
  }
  if (passedThrough && request !== undefined && bytes.equals(Buffer.concat(request.sent))) {
    return status === 200 && isComplete(dialect, text, streamed) ? 'complete' : 'unchanged';
  }
  for (const secret of [new URL(upstream.url).host, htmlPage]) {
    assert.ok(!text.includes(secret), `the response reveals ${secret}`);
  }
  if (status !== 200) {
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    const error = errorIn(path, JSON.parse(text));
    if ('code' in error) assert.equal(error.code, wireCode(code));
    if (retryable.has(code)) assert.match(headers.get('retry-after') ?? '', /^[1-9]\d?$/);
    return `${path === '/v1/messages' && status === 529 ? 503 : status} ${code}` as Outcome;
  }
  if (!streamed || code === undefined) {
    assert.ok(isComplete(dialect, text, streamed), `not a complete response: ${text}`);
    assert.equal(code, undefined);
    return 'complete';
  }
  assert.match(headers.get('content-type') ?? '', format.contentType);
  const records = format.records(text);
  const errors = records.filter(format.isError);
  assert.equal(errors.length, 1, `${errors.length} errors in ${text}`);
  assert.ok(!records.some(format.isEnd), 'the stream says that it is complete');
  const last = path === '/v1/responses' ? records.at(-2) : records.at(-1);
  assert.equal(last, errors[0], 'records follow the error');
  if (path === '/v1/responses') assert.equal(records.at(-1)?.['type'], 'response.failed');
  const error = errorIn(path, errors[0]);
  if ('code' in error) assert.equal(error.code, wireCode(code));
  return `event ${code}` as Outcome;
}

/** @returns the code as the body has it: OpenAI has no code for an invalid value */
function wireCode(code: string | undefined): string | null | undefined {
  return code === 'invalid_value' ? null : code;
}

/** Codes whose responses carry `Retry-After`. */
const retryable: ReadonlySet<string | undefined> = new Set([
  'upstream_busy',
  'upstream_timeout',
  'upstream_unreachable',
]);

/** True when the text holds every word of the answer, and its end. A byte that was not UTF-8 has become U+FFFD. */
function isComplete({ format }: Dialect, text: string, streamed: boolean): boolean {
  const restored = text.replaceAll('\uFFFD', 'c');
  if (!answerWords.every((word) => restored.includes(word))) return false;
  try {
    return streamed ? format.records(text).filter(format.isEnd).length === 1 : isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
