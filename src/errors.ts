/**
 * Every error code, with the HTTP status that a client gets before the first byte of an answer. Protocols render code
 * and message in their own format; the rest of an error (cause, stack) never reaches a client.
 */
const statusOf = {
  invalid_json: 400,
  invalid_value: 400,
  context_length_exceeded: 400,
  max_tokens_too_large: 400,
  previous_response_not_found: 400,
  mutually_exclusive_parameters: 400,
  invalid_api_key: 401,
  insufficient_scope: 403,
  account_required: 403,
  model_not_allowed: 403,
  address_not_allowed: 403,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  not_found: 404,
  model_not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  request_too_large: 413,
  unsupported_encoding: 415,
  upstream_request_failed: 422,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  client_closed: 499,
  internal_error: 500,
  upstream_error: 502,
  upstream_unreachable: 502,
  upstream_tls_error: 502,
  upstream_protocol_error: 502,
  upstream_incomplete: 502,
  upstream_crashed: 502,
  upstream_misconfigured: 502,
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

/** The codes of failures of the upstream, as opposed to the client's and our own. */
export const upstreamFailures = (Object.keys(statusOf) as ErrorCode[]).filter(isUpstreamFailure);

function isUpstreamFailure(code: ErrorCode): boolean {
  return code.startsWith('upstream_') || code === 'model_load_failed' || code === 'first_token_timeout';
}

interface GatewayErrorOptions {
  /** The request field at fault, as a path: `messages[0].content`. */
  readonly param?: string;
  /** Seconds until a retry may succeed: 1 to 60, or until the end of the day or month when its quota is used up. */
  readonly retryAfter?: number;
  /** Overrides the code's status, when a backend's status is more specific. */
  readonly status?: number;
  /** Additional response headers. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
  /** The upstream's response that this error represents. */
  readonly answered?: Answered;
  /** The sizes of a request that does not fit into the context. */
  readonly sizes?: ContextSizes;
  /** Advice for the operator, for the log only. Without anything of a request or an answer. */
  readonly advice?: string;
}

/** Tokens, as far as they are known. */
export interface ContextSizes {
  readonly prompt?: number;
  /** The output that the request asks for. */
  readonly output?: number;
  /** The longest output of the model, which may be shorter than its context. */
  readonly maxOutput?: number;
  readonly context?: number;
  /** By how much the prompt exceeds the context. */
  readonly excess?: number;
}

interface Answered {
  readonly status: number;
  /** True when the model server itself responded, false when a proxy in front of it did. */
  readonly own: boolean;
}

/** Characters of a request that an error may repeat. */
const maxQuoted = 200;
/** Characters of a message, whatever it repeats. */
const maxMessage = 1_000;

/** @returns a text of the client's for an error message: without what is beyond 200 characters */
export function quoted(text: string): string {
  return cut(text, maxQuoted);
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length).toWellFormed()}…` : text;
}

/** An error whose `message` is meant for the client: it contains no upstream address, stack or secret. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly param: string | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** The upstream's response that this error represents; undefined when there was none. */
  readonly answered: Answered | undefined;
  readonly sizes: ContextSizes | undefined;
  readonly advice: string | undefined;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(cut(message, maxMessage), { cause: options.cause });
    this.code = code;
    this.status = options.status ?? statusOf[code];
    this.param = options.param === undefined ? undefined : quoted(options.param);
    this.retryAfter = options.retryAfter;
    this.headers = options.headers ?? {};
    this.answered = options.answered;
    this.sizes = options.sizes;
    this.advice = options.advice;
  }

  /** @returns a copy for a field that the client's API calls `param` */
  about(param: string): GatewayError {
    return this.#with({ param });
  }

  /**
   * @param status the HTTP status of the upstream's response
   * @param own true when the model server itself responded, false when a proxy in front of it did
   * @returns a copy that represents an upstream's response
   */
  asAnswer(status: number, own: boolean): GatewayError {
    return this.#with({ answered: { status, own } });
  }

  /** @returns a copy with another message for the client */
  saying(message: string): GatewayError {
    return this.#with({}, message);
  }

  #with(options: GatewayErrorOptions, message = this.message): GatewayError {
    const { code, param, headers, retryAfter, status, answered, cause, sizes, advice } = this;
    return new GatewayError(code, message, {
      status,
      headers,
      cause,
      ...(param !== undefined && { param }),
      ...(retryAfter !== undefined && { retryAfter }),
      ...(answered !== undefined && { answered }),
      ...(sizes !== undefined && { sizes }),
      ...(advice !== undefined && { advice }),
      ...options,
    });
  }

  /** True when the same request may succeed later. SDKs read it from `x-should-retry`. */
  get retryable(): boolean {
    // No client should wait until the end of a day or month.
    if (this.code === 'insufficient_quota') return false;
    return this.retryAfter !== undefined || this.code === 'upstream_incomplete';
  }

  /** True for failures of the upstream, false for the client's and our own. */
  get fromUpstream(): boolean {
    return isUpstreamFailure(this.code);
  }
}

/**
 * Converts anything thrown to a GatewayError. Other errors are bugs of ours: the client does not get their text, and
 * `cause` keeps them for the log.
 */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  // Only values that a client sent are traversed to any depth.
  if (thrown instanceof RangeError && thrown.message.includes('call stack')) {
    return new GatewayError('invalid_value', 'The request is nested too deeply.', { cause: thrown });
  }
  return new GatewayError('internal_error', 'llamaduct failed to handle this request.', { cause: thrown });
}

/** @returns what was thrown for the bytes of a response with status 200, as an error that represents this response */
export function errorInAnswer(thrown: unknown): GatewayError {
  const error = asGatewayError(thrown);
  return error.fromUpstream && error.answered === undefined ? error.asAnswer(200, true) : error;
}

/** @returns a 400 about one field of the request */
export function invalidValue(param: string, message: string): GatewayError {
  return new GatewayError('invalid_value', message, { param });
}

/** @returns the error for an answer that ended without its end marker */
export function stoppedEarly(): GatewayError {
  return new GatewayError('upstream_incomplete', 'The model stopped before its answer was complete.');
}
