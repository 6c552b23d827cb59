import { GatewayError } from '../errors.ts';

/** Errors that the next request would meet as well, so that SDKs are not told to retry. */
const permanent =
  /error loading model|failed to load|unable to load|unknown model architecture|more system memory|insufficient memory|out of memory|model (is |was )?unloaded|no models? (is |are )?loaded/i;

/** Errors of a server whose runner crashed while it worked on a request. The request may be the cause. */
const crashed =
  /unexpected EOF|: EOF\b|unexpectedly stopped|forcibly closed|broken pipe|connection reset|GGML_ASSERT|segmentation fault|SIGSEGV|SIGABRT|signal: (aborted|killed|segmentation|bus error)|core dumped|model (has )?crashed/i;

/** Errors that LM Studio sends with status 400, although the request is not at fault. */
const disguised =
  /^the model (has )?crashed|^model (is |was )?unloaded|^no models? (is |are )?loaded|^failed to load model|^error loading model/i;

/** True for the text of a 400 that says that the server itself failed. */
export function isServerFailure(text: string): boolean {
  return disguised.test(text);
}

/** Errors about a schema that the server cannot turn into a grammar. */
const grammar =
  /failed to (parse|initialize) (the )?(grammar|samplers)|(parsing|invalid) grammar|grammar error|unimplemented keys|JSON schema conversion|invalid JSON schema|pattern must start with|repetitions exceeds|vocabulary required for format/i;

/**
 * Errors about what one request makes of a model: a template that cannot render its messages, a call that cannot be parsed, an
 * embedding that is not a number. They come again, on any server.
 */
const requestFailed: readonly RegExp[] = [
  /\bpars(e|ing)\b.{0,40}\b(tool|function|call|arguments|parameters?|XML|JSON|input|output)\b/i,
  /\[json\.exception\./,
  /\binvalid tool call\b|\btool call\b.{0,40}\binvalid\b/i,
  /\bXML syntax error\b|\binvalid character .{1,20} (after|looking for|in )|\bunexpected end of JSON input\b/i,
  /^template: |\berror calling \w+: |\bcan't evaluate field\b|\bexecuting ".*" at </,
  /\braise_exception\b|\bjinja\b|\bwhile executing \w+ at line\b|\broles must alternate\b/i,
  /\bis not callable\b|\bis not a function: got\b|\bUndefinedValue\b|\bunknown (filter|test|method)\b/i,
  /\bunsupported value: |\b(NaN|Infinity)\b|\bnot JSON compliant\b/,
  /\b(decode|load|process|read|preprocess|recognize|unknown|unsupported|invalid)\b.{0,20}\b(image|audio|bitmap)s?\b(?! model)/i,
  /\bimage: unknown format\b|\bnumber of (bitmaps|images|media)\b/i,
  /\bempty grammar stack\b/i,
];

/** Errors of the process that runs a model, or of loading it, whatever its last words were. */
const runner =
  /\bprocess (has terminated|no longer running)|\bwhile running the model\b|error loading model|(failed|unable) to load( the)? model(?! vocabulary)/i;

/** Seconds after which a retry may succeed. */
const defaultRetryAfter = 2;

/**
 * The error for a failure of the upstream itself.
 *
 * @param text the upstream's own message, fit for clients; '' when it sent none
 * @param retryAfter seconds
 */
export function serverError(text: string, retryAfter = defaultRetryAfter): GatewayError {
  const isAboutRunner = runner.test(text);
  // A parser names the end of its text as a connection does: "XML syntax error on line 1: unexpected EOF".
  const isAboutRequest = !isAboutRunner && requestFailed.some((pattern) => pattern.test(text));
  // A runner that is killed for its memory while it works has crashed as well.
  if (crashed.test(text) && !isAboutRequest) return new GatewayError('upstream_crashed', text);
  if (grammar.test(text) && !isAboutRunner) return new GatewayError('invalid_value', text);
  if (isAboutRequest) return new GatewayError('upstream_request_failed', text);
  if (permanent.test(text)) return new GatewayError('model_load_failed', text);
  return new GatewayError('upstream_error', text || 'The upstream failed.', { retryAfter });
}

/** The error for a server that is not what its configuration says. @param status of its answer */
export function misconfigured(status: number): GatewayError {
  return new GatewayError('upstream_misconfigured', 'The upstream has no such endpoint.', {
    advice: `the upstream answered ${status} as a server of another kind does; check its url and kind`,
  });
}

/** The error for a server that refuses the gateway's own key or account, which only the operator can solve. */
export function keyError(): GatewayError {
  return new GatewayError('upstream_error', 'The upstream rejected the API key or the account of this gateway.', {
    advice: 'the upstream rejected the key of this gateway; check its key',
  });
}

/** Seconds: SDKs ignore a longer Retry-After and retry at once. */
const maxRetryAfter = 60;

/** @param retryAfter the upstream's own Retry-After in seconds. @returns 1 to 60 seconds */
export function boundedRetryAfter(retryAfter: number): number {
  return Math.min(Math.max(Math.ceil(retryAfter), 1), maxRetryAfter);
}
