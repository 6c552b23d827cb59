import { GatewayError } from '../../errors.ts';
import { publicText } from '../public-text.ts';
import { serverError } from '../server-error.ts';
import { type ParsedError, readErrorBody, parseErrorFields } from './error-body.ts';

/** Seconds, when a busy upstream sends no Retry-After. */
const defaultRetryAfter = 5;
/** Seconds: SDKs ignore a longer one and retry at once. */
const maxRetryAfter = 60;

/**
 * Translates an error response. The text of a 4xx is about the request, so clients get it, without addresses and file
 * paths; they get nothing of an error about the gateway's own key.
 *
 * @param body the response's body, JSON or not
 * @param retryAfter the response's Retry-After, in seconds
 */
export function statusError(status: number, body: string, retryAfter = defaultRetryAfter): GatewayError {
  const parsed = readErrorBody(body);
  return errorOf(status, parsed, retryAfter).asAnswer(status, parsed.message !== '' || parsed.code !== '');
}

function errorOf(status: number, parsed: ParsedError, retryAfter: number): GatewayError {
  const { code, message } = parsed;
  if (status === 401 || status === 402 || status === 403 || keyErrors.has(code)) return keyError();
  // The message of a 429 may be about the gateway's own account.
  if (status === 429) return busyError(status, '', retryAfter);
  // Validators list one field a line, so all lines of a 4xx are shown.
  const text = publicText(status < 500 ? message.trim().replaceAll(/\s*\n\s*/g, ' ') : message);
  if (status === 503) return busyError(status, text, retryAfter);
  if (isContextOverflow(text, code)) return contextError(text);
  return status >= 400 && status < 500 ? requestError(status, text, parsed) : serverError(text);
}

function busyError(status: number, text: string, retryAfter: number): GatewayError {
  return new GatewayError('upstream_busy', text || 'The upstream is busy.', {
    status,
    retryAfter: Math.min(Math.max(Math.ceil(retryAfter), 1), maxRetryAfter),
  });
}

/** Translates a 4xx about the request. @param text the message, fit for clients */
function requestError(status: number, text: string, { code, param }: ParsedError): GatewayError {
  if (isUnknownModel(status, text, code)) {
    return new GatewayError('model_not_found', text || 'The model does not exist.', { param: 'model' });
  }
  if (status === 404 || status === 405) {
    return new GatewayError('upstream_error', 'The upstream has no such endpoint.');
  }
  return new GatewayError('invalid_value', text || 'The upstream refused the request.', {
    status: status === 413 || status === 422 ? 400 : status,
    ...(param !== undefined && { param: publicText(param) }),
  });
}

/** Translates an error inside a stream. @param record parsed JSON of any shape, or text */
export function recordError(record: unknown): GatewayError {
  const { message, code } = parseErrorFields(record);
  if (keyErrors.has(code)) return keyError();
  const text = publicText(message);
  return isContextOverflow(text, code) ? contextError(text) : serverError(text);
}

/** Codes and types of errors that are the operator's to solve, not the client's. */
const keyErrors: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'invalid_api_key',
  'authentication_error',
  'permission_error',
  '401',
  '402',
  '403',
]);

function keyError(): GatewayError {
  return new GatewayError('upstream_error', 'The upstream rejected the API key or the account of this gateway.');
}

/** Messages of OpenAI, vLLM, llama.cpp and LM Studio for a prompt longer than the context. */
const contextOverflow = /context (length|size|window)|maximum model length/i;

function isContextOverflow(text: string, code: string): boolean {
  return code === 'context_length_exceeded' || code === 'exceed_context_size_error' || contextOverflow.test(text);
}

function contextError(text: string): GatewayError {
  return new GatewayError('context_length_exceeded', text || "The prompt is longer than the model's context.");
}

function isUnknownModel(status: number, text: string, code: string): boolean {
  if (code === 'model_not_found' || code === 'model_not_found_error') return true;
  return status === 404
    ? /\bmodel\b/i.test(text)
    : /\bmodel\b.{0,200}(not found|does not exist)|(unknown|no such) model/i.test(text);
}
