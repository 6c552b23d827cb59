import type { Readable } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import type { Signal } from '../../cancellation.ts';
import type { Config, UpstreamConfig } from '../../config/schema.ts';
import { GatewayError } from '../../errors.ts';
import type { UpstreamAnswer } from './body.ts';
import { ResponseHandler } from './response-handler.ts';

export interface UpstreamRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array | Readable;
  /** Ends the request in every phase; its reason is what the caller gets to see. */
  readonly signal: Signal;
  /** Milliseconds until the head of the answer, instead of the configured ones. */
  readonly deadline?: number;
}

/** HTTP to one upstream over a pool of kept-alive connections. No retries, no redirects. */
export class UpstreamClient {
  readonly #pool: Pool;
  readonly #basePath: string;
  readonly #headers: Record<string, string>;
  readonly #onChange: (reached: boolean) => void;
  #reached: boolean | undefined;

  /** @param onChange hears whether the upstream could be reached, when that is known or has changed */
  constructor(
    { url, key }: UpstreamConfig,
    timeouts: Pick<Config['timeouts'], 'connect' | 'first_byte' | 'idle'>,
    onChange: (reached: boolean) => void,
  ) {
    this.#onChange = onChange;
    const { origin, pathname, username, password } = new URL(url);
    this.#basePath = pathname.replace(/\/+$/, '');
    const authorization = key !== undefined ? `Bearer ${key}` : username !== '' ? basic(username, password) : undefined;
    this.#headers = authorization === undefined ? {} : { authorization };
    this.#pool = new Pool(origin, {
      connect: { timeout: timeouts.connect },
      headersTimeout: timeouts.first_byte,
      bodyTimeout: timeouts.idle,
      pipelining: 1,
    });
  }

  /** Resolves when the head of the answer is there. Its body must be read, discarded or destroyed. @throws {GatewayError} */
  async send({ method, path, headers, body, signal, deadline }: UpstreamRequest): Promise<UpstreamAnswer> {
    try {
      signal.throwIfAborted();
      const receiver = new ResponseHandler(signal);
      this.#pool.dispatch(
        {
          method,
          path: this.#basePath + path,
          headers: { ...this.#headers, ...headers },
          ...(body !== undefined && { body }),
          ...(deadline !== undefined && { headersTimeout: deadline }),
        },
        receiver,
      );
      const answer = await receiver.answer;
      this.#learn(true);
      return answer;
    } catch (thrown) {
      const error = transportError(thrown, 'before its answer');
      if (error.code === 'upstream_unreachable') this.#learn(false);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  #learn(reached: boolean): void {
    if (this.#reached === reached) return;
    this.#reached = reached;
    this.#onChange(reached);
  }
}

function basic(username: string, password: string): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** Seconds. */
const retryAfter = 5;

/** What a failure of undici or of the socket under it means. An abort carries its own reason, passed on as it is. */
export function transportError(
  error: unknown,
  when: 'before its answer' | 'in the middle of its answer',
): GatewayError {
  if (error instanceof GatewayError) return error;
  switch (codeOf(error)) {
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'TimeoutError':
      return new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { cause: error, retryAfter });
    case 'UND_ERR_BODY_TIMEOUT':
      return new GatewayError('upstream_idle_timeout', 'The upstream fell silent in the middle of its answer.', {
        cause: error,
      });
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return new GatewayError('upstream_unreachable', 'The upstream cannot be reached.', { cause: error, retryAfter });
    default: {
      const code = when === 'before its answer' ? 'upstream_error' : 'upstream_incomplete';
      return new GatewayError(code, `The upstream broke the connection ${when}.`, { cause: error, retryAfter });
    }
  }
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  if (error instanceof DOMException) return error.name;
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
