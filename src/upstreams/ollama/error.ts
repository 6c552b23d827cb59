import { GatewayError } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { publicText } from '../public-text.ts';

/** Seconds. Ollama sends no Retry-After of its own. */
const retryAfter = { busy: 5, failed: 2 };

/**
 * What Ollama means by a status other than 2xx. Its 4xx texts are about the request and go to the client; so do its
 * 5xx texts, which say what is wrong with a model, without addresses and paths of the machine.
 *
 * @param body the text of its answer, `{"error":"…"}` or not
 */
export function statusError(status: number, body: string): GatewayError {
  const text = errorText(body);
  return meaning(status, text).asAnswer(status, text !== '');
}

function meaning(status: number, text: string): GatewayError {
  if (status === 404)
    return new GatewayError('model_not_found', text || 'The model does not exist.', { param: 'model' });
  if (status === 503) {
    return new GatewayError('upstream_busy', text || 'The upstream is busy.', { retryAfter: retryAfter.busy });
  }
  if (overflow.test(text)) return new GatewayError('context_length_exceeded', text);
  if (/^time: (invalid|missing|unknown)/.test(text))
    return new GatewayError('invalid_value', text, { param: 'keep_alive' });
  const option = /^option "(\w+)" must be of type/.exec(text);
  if (option !== null) return new GatewayError('invalid_value', text, { param: `options.${option[1]}` });
  if (/^invalid (format|JSON schema in format)/.test(text)) {
    return new GatewayError('invalid_value', text, { param: 'response_format' });
  }
  if (status === 429) {
    return new GatewayError('upstream_busy', text || 'The upstream is busy.', { status, retryAfter: retryAfter.busy });
  }
  if (status >= 400 && status < 500 && status !== 401 && status !== 403) {
    return new GatewayError('invalid_value', text || 'The upstream refused the request.', { status });
  }
  return serverError(text);
}

/** A prompt longer than the context, in the words of Ollama and of llama-server. */
const overflow = /exceeds? the (available |maximum )?context (length|size)|exceeds maximum context length/;

/** What an `error` line inside a stream means. */
export function streamError(error: unknown): GatewayError {
  return serverError(publicText(messageOf(error)));
}

/** Faults that the next request would meet again, so that no SDK hammers the box with retries. */
const lasting =
  /error loading model|failed to load|unable to load|more system memory|insufficient memory|out of memory/i;

function serverError(text: string): GatewayError {
  if (lasting.test(text)) return new GatewayError('model_load_failed', text);
  return new GatewayError('upstream_error', text || 'The upstream failed.', { retryAfter: retryAfter.failed });
}

function errorText(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isObject(parsed)) return publicText(messageOf(parsed['error']));
  } catch {
    // Not Ollama speaking: a proxy's page, perhaps. Nothing of it is for the client.
  }
  return '';
}

/**
 * Newer servers put llama-server's own JSON error into the error's text.
 *
 * @param depth some put one shape into another, but not without end
 */
function messageOf(error: unknown, depth = 0): string {
  if (depth > 4) return '';
  if (isObject(error)) return messageOf(error['error'] ?? error['message'], depth + 1);
  if (typeof error !== 'string') return '';
  if (!error.startsWith('{')) return error;
  try {
    return messageOf(JSON.parse(error), depth + 1) || error;
  } catch {
    return error;
  }
}
