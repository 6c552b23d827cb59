/**
 * Every way llamaduct refuses or fails, with the HTTP status a client sees before the first byte of an answer.
 * Protocols render these in their own shape; nothing else of an error (cause, stack) ever reaches a client.
 */
const statusOf = {
  invalid_json: 400,
  invalid_value: 400,
  context_length_exceeded: 400,
  previous_response_not_found: 400,
  invalid_api_key: 401,
  insufficient_scope: 403,
  model_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  request_too_large: 413,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  client_closed: 499,
  internal_error: 500,
  upstream_error: 502,
  upstream_unreachable: 502,
  upstream_protocol_error: 502,
  upstream_incomplete: 502,
  model_load_failed: 502,
  upstream_busy: 503,
  upstream_down: 503,
  server_overloaded: 503,
  shutting_down: 503,
  queue_full: 503,
  queue_timeout: 503,
  store_unavailable: 503,
  upstream_timeout: 504,
  first_token_timeout: 504,
  total_timeout: 504,
  upstream_idle_timeout: 504,
} as const;

export type ErrorCode = keyof typeof statusOf;

interface GatewayErrorOptions {
  /** The request field at fault, as a path: `messages[0].content`. */
  readonly param?: string;
  /** Seconds after which trying again may help: 1 to 60, but for what is used up until a day or a month is over. */
  readonly retryAfter?: number;
  /** Overrides the code's own status, where a backend's status says more. */
  readonly status?: number;
  /** What an answer says of it besides. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** The answer of an upstream that it stands for. */
  readonly answered?: Answered;
}

interface Answered {
  readonly status: number;
  /** Whether the server itself speaks, and not something in front of it. */
  readonly own: boolean;
}

/** An error whose `message` is written for the client: no upstream address, no stack, no secret. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly param: string | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** The answer of an upstream that it stands for; undefined for none. */
  readonly answered: Answered | undefined;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.status = options.status ?? statusOf[code];
    this.param = options.param;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers ?? {};
    this.answered = options.answered;
  }

  /** The same error about a field that goes by another name. */
  about(param: string): GatewayError {
    return this.#with({ param });
  }

  /** The same error as what an upstream answered. @param own whether the server itself speaks, and not something before it */
  asAnswer(status: number, own: boolean): GatewayError {
    return this.#with({ answered: { status, own } });
  }

  #with(options: GatewayErrorOptions): GatewayError {
    const { code, message, param, headers, retryAfter, status, answered, cause } = this;
    return new GatewayError(code, message, {
      status,
      headers,
      cause,
      ...(param !== undefined && { param }),
      ...(retryAfter !== undefined && { retryAfter }),
      ...(answered !== undefined && { answered }),
      ...options,
    });
  }

  /** Whether the same request may succeed later: told to SDKs as `x-should-retry`. */
  get retryable(): boolean {
    // Until a day or a month is over, nobody waits.
    if (this.code === 'insufficient_quota') return false;
    return this.retryAfter !== undefined || this.code === 'upstream_incomplete';
  }

  /** True for failures of the backend, false for the client's or our own. */
  get fromUpstream(): boolean {
    const { code } = this;
    return code.startsWith('upstream_') || code === 'model_load_failed' || code === 'first_token_timeout';
  }
}

/**
 * Narrows anything thrown to a GatewayError. What is not one already is a fault of ours: its text stays out of the
 * answer and is kept as `cause` for the log.
 */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  // The only unbounded recursion is into what a client sent.
  if (thrown instanceof RangeError && thrown.message.includes('call stack')) {
    return new GatewayError('invalid_value', 'The request is nested too deeply.', { cause: thrown });
  }
  return new GatewayError('internal_error', 'llamaduct failed to handle this request.', { cause: thrown });
}

/** A 400 about one field of the request. */
export function invalidValue(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', message, { param });
}

/** An answer that ended without its end mark. */
export function stoppedEarly(): GatewayError {
  return new GatewayError('upstream_incomplete', 'The model stopped before its answer was complete.');
}
