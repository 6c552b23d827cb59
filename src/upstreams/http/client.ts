import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { type Dispatcher, Pool } from 'undici';
import type { Signal } from '../../cancellation.ts';
import type { Config, UpstreamConfig } from '../../config/schema.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import type { UpstreamAnswer } from './body.ts';
import { type ResponseDeadlines, ResponseHandler } from './response-handler.ts';
import { tlsFault } from './tls-fault.ts';

export interface UpstreamRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array | Readable;
  /** Aborts the request and its response in every phase. Its reason is the error that the caller gets. */
  readonly signal: Signal;
  /** Milliseconds until the head of the response must have arrived. Absent: the configured `first_byte`. */
  readonly deadline?: number;
  /** True if the server may pause within its answer for as long as before it, because the model generates unseen. */
  readonly mayPause?: boolean;
}

/** Milliseconds for the body of an error: it is not generated token by token. */
const maxErrorTime = 5_000;

type Timeouts = Pick<Config['timeouts'], 'connect' | 'first_byte' | 'idle'>;

/** The settings that connections are opened with. */
interface Connection {
  readonly origin: string;
  readonly tls: UpstreamConfig['tls'] | undefined;
  /** Milliseconds to open one. */
  readonly timeout: number;
}

/** An HTTP client for one upstream, with a pool of keep-alive connections. Does not retry or follow redirects. */
export class UpstreamClient {
  #pool: Pool;
  #connection: Connection;
  #basePath = '';
  #headers: Record<string, string> = {};
  #deadlines: ResponseDeadlines = { head: 0, errorBody: maxErrorTime };
  /** Milliseconds between two chunks of a response; 0 for no limit. */
  #idle = 0;
  /** Milliseconds between two chunks of a server that may pause within its answer; 0 for no limit. */
  #maxPause = 0;
  readonly #onChange: (reachable: boolean) => void;
  #reachable: boolean | undefined;

  /** @param onChange is called after the first request, and whenever the upstream becomes reachable or unreachable */
  constructor(upstream: UpstreamConfig, timeouts: Timeouts, onChange: (reachable: boolean) => void) {
    this.#onChange = onChange;
    this.#connection = connectionOf(upstream, timeouts);
    this.#pool = createPool(this.#connection);
    this.use(upstream, timeouts);
  }

  /** Replaces address, credentials and timeouts. Requests that are under way end as they began. */
  use(upstream: UpstreamConfig, timeouts: Timeouts): void {
    const { url, key, headers } = upstream;
    const { pathname, username, password } = new URL(url);
    this.#basePath = pathname.replace(/\/+$/, '');
    const authorization = key !== undefined ? `Bearer ${key}` : username !== '' ? basic(username, password) : undefined;
    this.#headers = { ...(authorization !== undefined && { authorization }), ...headers };
    this.#deadlines = { head: timeouts.first_byte, errorBody: Math.min(timeouts.idle || Infinity, maxErrorTime) };
    const { first_byte: firstByte, idle } = timeouts;
    this.#idle = idle;
    this.#maxPause = Math.min(firstByte, idle) === 0 ? 0 : Math.max(firstByte, idle);
    const connection = connectionOf(upstream, timeouts);
    if (isDeepStrictEqual(connection, this.#connection)) return;
    void this.#pool.close();
    this.#connection = connection;
    this.#pool = createPool(connection);
  }

  /**
   * Sends a request.
   *
   * @returns the response once its head has arrived. Its body must be read, discarded or destroyed
   * @throws {GatewayError} of `transportError`, or the signal's reason
   */
  async send({ method, path, headers, body, signal, deadline, mayPause }: UpstreamRequest): Promise<UpstreamAnswer> {
    try {
      signal.throwIfAborted();
      const deadlines = deadline === undefined ? this.#deadlines : { ...this.#deadlines, head: deadline };
      const handler = new ResponseHandler(signal, deadlines);
      this.#pool.dispatch(
        {
          method,
          path: this.#basePath + path,
          headers: { ...this.#headers, ...headers },
          ...(body !== undefined && { body }),
          headersTimeout: deadlines.head,
          bodyTimeout: mayPause === true ? this.#maxPause : this.#idle,
        },
        handler,
      );
      const response = await handler.response;
      this.#setReachable(true);
      return response;
    } catch (thrown) {
      const error = transportError(thrown, 'before its answer');
      if (noAnswer.has(error.code)) this.#setReachable(false);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  /** Closes the connections, each after the request that is under way on it. */
  async drain(): Promise<void> {
    await this.#pool.close();
  }

  #setReachable(reachable: boolean): void {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.#onChange(reachable);
  }
}

function connectionOf({ url, tls }: UpstreamConfig, { connect: timeout }: Timeouts): Connection {
  return { origin: new URL(url).origin, tls, timeout };
}

function createPool({ origin, tls, timeout }: Connection): Pool {
  return new Pool(origin, { connect: { ...tls, timeout }, pipelining: 1 });
}

/** Errors that show that the upstream does not answer at all. */
const noAnswer: ReadonlySet<ErrorCode> = new Set([
  'upstream_unreachable',
  'upstream_tls_error',
  'upstream_timeout',
  'upstream_error',
]);

function basic(username: string, password: string): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** Seconds after which a retry may succeed. */
const retryAfter = 5;

const noHeadInTime: ReadonlySet<string | undefined> = new Set(['UND_ERR_HEADERS_TIMEOUT', 'TimeoutError']);
const unreachable: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Translates an error of undici, or of its socket, for the client. A GatewayError is the reason of an abort and returned
 * as it is.
 */
export function transportError(
  error: unknown,
  when: 'before its answer' | 'in the middle of its answer',
): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = codeOf(error);
  if (noHeadInTime.has(code)) {
    return new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { cause: error, retryAfter });
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    const message = 'The upstream stopped sending in the middle of its answer.';
    return new GatewayError('upstream_idle_timeout', message, { cause: error });
  }
  if (unreachable.has(code)) {
    return new GatewayError('upstream_unreachable', 'The upstream cannot be reached.', { cause: error, retryAfter });
  }
  const fault = when === 'before its answer' ? tlsFault(error) : undefined;
  if (fault !== undefined) return new GatewayError('upstream_tls_error', fault, { cause: error });
  return new GatewayError(
    when === 'before its answer' ? 'upstream_error' : 'upstream_incomplete',
    `The upstream broke the connection ${when}.`,
    { cause: error, retryAfter },
  );
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  if (error instanceof DOMException) return error.name;
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
