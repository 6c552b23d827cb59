import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { publicText } from '../public-text.ts';
import { serverError } from '../server-error.ts';

/** Seconds after which a busy server may answer: Ollama sends no Retry-After. */
const retryAfter = 5;

/**
 * Translates an error response of Ollama. The text of a 4xx is about the request, and that of a 5xx says what is wrong with
 * a model, so clients get both, without addresses and file paths.
 *
 * @param body the response's body, `{"error":"…"}` or something else
 */
export function statusError(status: number, body: string): GatewayError {
  const text = errorText(body);
  return errorOf(status, text).asAnswer(status, text !== '');
}

function errorOf(status: number, text: string): GatewayError {
  if (status === 404) {
    return new GatewayError('model_not_found', text || 'The model does not exist.', { param: 'model' });
  }
  if (status === 503) return busyError(status, text);
  if (contextOverflow.test(text)) return new GatewayError('context_length_exceeded', text);
  const param = paramNamedIn(text);
  if (param !== undefined) return new GatewayError('invalid_value', text, { param });
  if (status === 429) return busyError(status, text);
  const aboutRequest = status >= 400 && status < 500 && status !== 401 && status !== 403;
  if (!aboutRequest) return serverError(text);
  return new GatewayError('invalid_value', text || 'The upstream refused the request.', { status });
}

function busyError(status: number, text: string): GatewayError {
  return new GatewayError('upstream_busy', text || 'The upstream is busy.', { status, retryAfter });
}

/** Errors for a prompt longer than the context, of Ollama and of llama-server. */
const contextOverflow = /exceeds? the (available |maximum )?context (length|size)|exceeds maximum context length/;

/** The request field that an error is about, by the error's text. */
function paramNamedIn(text: string): string | undefined {
  if (/^time: (invalid|missing|unknown)/.test(text)) return 'keep_alive';
  if (/^invalid (format|JSON schema in format)/.test(text)) return 'response_format';
  const option = /^option "(\w+)" must be of type/.exec(text)?.[1];
  return option === undefined ? undefined : `options.${option}`;
}

/** True if the value of `error` in a line of a stream reports one. Servers that imitate Ollama write every field of a line. */
export function isStreamError(error: unknown): boolean {
  return error !== undefined && error !== null && error !== '' && error !== false;
}

/** Translates the value of `error` in a line of a stream. */
export function streamError(error: unknown): GatewayError {
  return serverError(publicText(messageOf(error)));
}

function errorText(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isObject(parsed)) return publicText(messageOf(parsed['error']));
  } catch {
    // Not from Ollama, but perhaps a proxy's error page. Clients get nothing of it.
  }
  return '';
}

/** How deep an error may be nested in others. */
const maxDepth = 4;

/**
 * The message of an error. Newer servers put llama-server's own JSON error into the text of theirs.
 *
 * @param depth number of errors around this one
 */
function messageOf(error: unknown, depth = 0): string {
  if (depth > maxDepth) return '';
  if (isObject(error)) return messageOf(error['error'] ?? error['message'], depth + 1);
  if (typeof error !== 'string') return '';
  if (!error.startsWith('{')) return error;
  try {
    return messageOf(JSON.parse(error), depth + 1) || error;
  } catch {
    return error;
  }
}
