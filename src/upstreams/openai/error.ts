import { GatewayError } from '../../errors.ts';
import { publicText } from '../public-text.ts';
import { type ParsedError, readErrorBody, parseErrorFields } from './error-body.ts';

/** Seconds, where the upstream names none. */
const retryAfter = { busy: 5, failed: 2 };
/** Seconds: SDKs ignore a longer one and try again at once. */
const maxRetryAfter = 60;

/**
 * What a server means by a status other than 2xx. Its 4xx texts are about the request and go to the client, without
 * addresses and paths of the machine; what it says of our own key does not.
 *
 * @param body the text of its answer, JSON or not
 * @param wait its Retry-After, in seconds
 */
export function statusError(status: number, body: string, wait?: number): GatewayError {
  const said = readErrorBody(body);
  return meaning(status, said, wait).asAnswer(status, said.message !== '' || said.code !== '');
}

function meaning(status: number, { message, code, param }: ParsedError, wait: number | undefined): GatewayError {
  if (status === 401 || status === 402 || status === 403 || ofOurKey.has(code)) return refusesUs();
  const busy = { retryAfter: Math.min(Math.max(Math.ceil(wait ?? retryAfter.busy), 1), maxRetryAfter) };
  if (status === 429) return new GatewayError('upstream_busy', 'The upstream is busy.', { status, ...busy });
  // Of a fault of the request every line counts: validators list one field a line.
  const text = publicText(status < 500 ? message.trim().replaceAll(/\s*\n\s*/g, ' ') : message);
  if (status === 503) return new GatewayError('upstream_busy', text || 'The upstream is busy.', busy);
  if (isOverflow(text, code)) return contextError(text);
  if (status < 400 || status >= 500) return serverError(text);
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

/** What an error inside a stream means. @param record of any shape, parsed or text */
export function recordError(record: unknown): GatewayError {
  const { message, code }: ParsedError = parseErrorFields(record);
  if (ofOurKey.has(code)) return refusesUs();
  const text = publicText(message);
  return isOverflow(text, code) ? contextError(text) : serverError(text);
}

/** Codes and types of faults that are the operator's and not the client's. */
const ofOurKey: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'invalid_api_key',
  'authentication_error',
  'permission_error',
  '401',
  '402',
  '403',
]);

function refusesUs(): GatewayError {
  return new GatewayError('upstream_error', 'The upstream does not serve this gateway.');
}

/** In the words of OpenAI, vLLM, llama.cpp and LM Studio. */
const overflow = /context (length|size|window)|maximum model length/i;

function isOverflow(text: string, code: string): boolean {
  return code === 'context_length_exceeded' || code === 'exceed_context_size_error' || overflow.test(text);
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

/** Faults that the next request would meet again, so that no SDK hammers the box with retries. */
const lasting =
  /error loading model|failed to load|unable to load|more system memory|insufficient memory|out of memory/i;

function serverError(text: string): GatewayError {
  if (lasting.test(text)) return new GatewayError('model_load_failed', text);
  return new GatewayError('upstream_error', text || 'The upstream failed.', { retryAfter: retryAfter.failed });
}
