import assert from 'node:assert/strict';
import { isObject } from '../../src/framing/json.ts';
import { type TestGateway, testGateway, ending } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { type Dialect, errorIn } from './dialects.ts';
import type { Fault, Outcome } from './faults.ts';
import { page } from './injections.ts';
import { said } from './scripts.ts';
import { type FaultyUpstream, type Wire, faultyUpstream, wholly } from './upstream.ts';

/** llamaduct in front of an upstream that fails as it is told to. */
export interface Bench extends AsyncDisposable {
  readonly upstream: FaultyUpstream;
  readonly gateway: TestGateway;
  readonly dialect: Dialect;
}

/** What came to a client. */
interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** Whether it came to its end. */
  readonly complete: boolean;
}

/** Bytes of an answer without end after which the client leaves. */
const enough = 32 * 1024;

/** Bounds that a test need not wait for. */
export const settings = {
  limits: { line: '64KiB', body: '1MiB' },
  timeouts: { connect: '2s', first_byte: '800ms', idle: '800ms', body: '800ms', grace: '100ms' },
} as const;

/** One fault after the other is not to take the only upstream out. */
const unbroken = { health: { failures: 1000, interval: '0s' } };

export async function bench(dialect: Dialect, more: Parameters<typeof testGateway>[1] = {}): Promise<Bench> {
  const upstream = await faultyUpstream();
  const { kind } = dialect;
  const url = kind === 'openai' ? `${upstream.url}/v1` : upstream.url;
  const gateway = await testGateway(
    { url },
    { ...settings, ...unbroken, ...more, upstream: { kind, parallel: 4, ...more.upstream } },
  );
  return {
    upstream,
    gateway,
    dialect,
    ...ending(gateway, upstream),
  };
}

/** Asks in the bench's dialect, and reads what comes. @param leaveAfter bytes after which it leaves */
export async function ask(
  { gateway, dialect }: Bench,
  stream: boolean,
  leaveAfter = Infinity,
  signal?: AbortSignal,
): Promise<Got> {
  const controller = new AbortController();
  const response = await gateway.fetch(dialect.path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...dialect.body, stream }),
    signal: AbortSignal.any([controller.signal, ...(signal === undefined ? [] : [signal])]),
  });
  const pieces: Uint8Array[] = [];
  let length = 0;
  let complete = true;
  try {
    for await (const piece of response.body ?? []) {
      pieces.push(piece as Uint8Array);
      length += (piece as Uint8Array).length;
      if (length > leaveAfter) controller.abort();
    }
  } catch {
    complete = false;
  }
  return { status: response.status, headers: response.headers, bytes: Buffer.concat(pieces), complete };
}

/**
 * Lets the upstream fail while a client asks it, and holds llamaduct to what must be so whatever it was: one error at
 * most, in the client's dialect; the upstream's connection closed; nothing left in flight.
 *
 * @returns what the client got
 */
export async function exercise(on: Bench, fault: Fault, streamed: boolean): Promise<Outcome> {
  const { upstream, gateway } = on;
  gateway.log.length = 0;
  const asked = upstream.wires.length;
  let outcome: Outcome | undefined;
  const step = async (): Promise<void> => {
    upstream.inject = fault.inject;
    const got = await ask(on, streamed, fault.leaves === true ? enough : Infinity);
    outcome = outcomeOf(on, got, streamed, await codeLogged(gateway), upstream.wires[asked]);
    if (fault.told !== undefined && outcome !== 'as it is') assert.match(got.bytes.toString('utf8'), fault.told);
  };
  try {
    await (fault.around === undefined ? step() : fault.around(upstream, step));
  } finally {
    upstream.inject = wholly;
  }
  assert.ok(upstream.wires.length - asked <= 1, 'asked more than once');
  if (fault.kept !== true && outcome !== 'as it is') {
    await until('the connection to the upstream to be closed', () => upstream.wires.slice(asked).every(isClosed));
  }
  await idle(gateway);
  if (outcome === undefined) throw new Error('nothing came');
  return outcome;
}

const isClosed = ({ closed }: Wire): boolean => closed;

/** What must be in flight once an exchange is over: the question itself. */
const atRest = {
  llamaduct_in_flight: 1,
  'llamaduct_upstream_in_flight{upstream="ollama"}': 0,
  'llamaduct_queue_depth{upstream="ollama"}': 0,
};

/** Waits until nothing is in flight and nobody waits. */
export async function idle(gateway: TestGateway): Promise<void> {
  const expected = Object.entries(atRest).map(([series, value]) => `${series} ${value}`);
  await until(expected.join(', '), async () => {
    const lines = new Set((await (await gateway.fetch('/metrics')).text()).split('\n'));
    return expected.every((line) => lines.has(line));
  });
}

/** Shows that the next request is served. */
export async function assertServes(on: Bench, streamed: boolean): Promise<void> {
  on.upstream.inject = wholly;
  const asked = on.upstream.wires.length;
  const got = await ask(on, streamed);
  assert.equal(outcomeOf(on, got, streamed, undefined, on.upstream.wires[asked]), 'answer');
}

/** The code by which the log tells of the exchange, once it has ended; undefined where it did not fail. */
export async function codeLogged(gateway: TestGateway): Promise<string | undefined> {
  const lines = (): Record<string, unknown>[] =>
    gateway.log.filter(({ msg, route }) => msg === 'request' && route !== '/metrics');
  await until('the exchange to end', () => lines().length > 0);
  assert.equal(lines().length, 1, 'it ended more than once');
  return lines()[0]?.['error'] as string | undefined;
}

/** What a client got. @throws {AssertionError} where its dialect has no such thing */
export function outcomeOf(
  { dialect, upstream }: Bench,
  { status, headers, bytes, complete }: Got,
  streamed: boolean,
  code: string | undefined,
  wire: Wire | undefined,
): Outcome {
  const text = bytes.toString('utf8');
  const { path, format, passed } = dialect;
  if (code === 'client_closed') return 'left';
  if (!complete) {
    assert.ok(passed, `a translated answer was cut: ${text}`);
    return 'cut';
  }
  if (passed && wire !== undefined && bytes.equals(Buffer.concat(wire.sent))) {
    return status === 200 && isWhole(dialect, text, streamed) ? 'answer' : 'as it is';
  }
  for (const secret of [new URL(upstream.url).host, page]) assert.ok(!text.includes(secret), `it tells ${secret}`);
  if (status !== 200) {
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    const error = errorIn(path, JSON.parse(text));
    if ('code' in error) assert.equal(error.code, toldCode(code));
    if (waits.has(code)) assert.match(headers.get('retry-after') ?? '', /^[1-9]\d?$/);
    return `${path === '/v1/messages' && status === 529 ? 503 : status} ${code}` as Outcome;
  }
  if (!streamed || code === undefined) {
    assert.ok(isWhole(dialect, text, streamed), `not an answer: ${text}`);
    assert.equal(code, undefined);
    return 'answer';
  }
  assert.match(headers.get('content-type') ?? '', format.contentType);
  const records = format.records(text);
  const errors = records.filter(format.isError);
  assert.equal(errors.length, 1, `${errors.length} errors in ${text}`);
  assert.ok(!records.some(format.isEnd), 'it says that it is complete');
  const last = path === '/v1/responses' ? records.at(-2) : records.at(-1);
  assert.equal(last, errors[0], 'something follows the error');
  if (path === '/v1/responses') assert.equal(records.at(-1)?.['type'], 'response.failed');
  const error = errorIn(path, errors[0]);
  if ('code' in error) assert.equal(error.code, toldCode(code));
  return `event ${code}` as Outcome;
}

/** OpenAI has no code for a bad value. */
function toldCode(code: string | undefined): string | null | undefined {
  return code === 'invalid_value' ? null : code;
}

/** Codes by which a client is told when to try again. */
const waits: ReadonlySet<string | undefined> = new Set(['upstream_busy', 'upstream_timeout', 'upstream_unreachable']);

/** Whether a text has all of the answer, and its end. A byte that was not UTF-8 became a character that says so. */
function isWhole({ format }: Dialect, text: string, streamed: boolean): boolean {
  const plain = text.replaceAll('\uFFFD', 'c');
  if (!said.every((part) => plain.includes(part))) return false;
  try {
    return streamed ? format.records(text).filter(format.isEnd).length === 1 : isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
