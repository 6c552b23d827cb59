import { GatewayError } from '../../errors.ts';
import { contextError, isContextOverflow } from '../context-overflow.ts';
import { type ParsedError, readErrorBody, parseErrorFields } from '../error-body.ts';
import { sizeError } from '../output-limit.ts';
import { accountText, isPublicLink, publicLinks, publicText } from '../public-text.ts';
import { boundedRetryAfter, isServerFailure, keyError, misconfigured, serverError } from '../server-error.ts';

/** Seconds, when a busy upstream sends no Retry-After. */
const defaultRetryAfter = 5;

/**
 * Translates an error response. The text of a 4xx is about the request, so clients get it, without addresses and file
 * paths; they get nothing of an error about the gateway's own key.
 *
 * @param body the response's body, JSON or not
 * @param retryAfter the response's Retry-After, in seconds
 */
export function statusError(status: number, body: string, retryAfter?: number): GatewayError {
  const parsed = readErrorBody(body);
  return errorOf(status, parsed, retryAfter).asAnswer(status, parsed.message !== '' || parsed.code !== '');
}

function errorOf(status: number, parsed: ParsedError, retryAfter: number | undefined): GatewayError {
  const { code, message } = parsed;
  if (status === 401 || status === 402 || status === 403) return accountError(status, parsed);
  if (keyErrors.has(code)) return keyError();
  // The message of a 429 may be about the gateway's own account.
  if (status === 429) return busyError(status, '', retryAfter);
  const text = publicText(message);
  if (status === 503) return busyError(status, text, retryAfter);
  const tooLong = sizeError(status, text, parsed);
  if (tooLong !== undefined) return tooLong;
  const isOwnFailure = status < 400 || status >= 500 || (status === 400 && isServerFailure(text));
  if (isOwnFailure) return serverError(text, retryAfter && boundedRetryAfter(retryAfter));
  return requestError(status, text, parsed);
}

/** The server is another Ollama, whose account needs a subscription or is not signed in: that is for the user. */
function accountError(status: number, { message, signIn }: ParsedError): GatewayError {
  if (signIn !== undefined && isPublicLink(signIn)) {
    return new GatewayError('account_required', `The model server has to be signed in to its account: ${signIn}`);
  }
  const needsSubscription = status === 403 && /subscri/i.test(message) && publicLinks(message).length > 0;
  return needsSubscription ? new GatewayError('account_required', accountText(message)) : keyError();
}

function busyError(status: number, text: string, retryAfter = defaultRetryAfter): GatewayError {
  return new GatewayError('upstream_busy', text || 'The upstream is busy.', {
    status,
    retryAfter: boundedRetryAfter(retryAfter),
  });
}

/** Translates a 4xx about the request. @param text the message, fit for clients */
function requestError(status: number, text: string, { code, param }: ParsedError): GatewayError {
  if (isUnknownModel(status, text, code)) {
    return new GatewayError('model_not_found', text || 'The model does not exist.', { param: 'model' });
  }
  if (status === 404 || status === 405) {
    return misconfigured(status);
  }
  return new GatewayError('invalid_value', text || 'The upstream refused the request.', {
    status: status === 413 || status === 422 ? 400 : status,
    ...(param !== undefined && { param: publicText(param) }),
  });
}

/** Translates an error inside a stream. @param record parsed JSON of any shape, or text */
export function recordError(record: unknown): GatewayError {
  const { message, code, sizes } = parseErrorFields(record);
  if (keyErrors.has(code)) return keyError();
  const text = publicText(message);
  return isContextOverflow(text, code) ? contextError(text, sizes) : serverError(text);
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

function isUnknownModel(status: number, text: string, code: string): boolean {
  if (code === 'model_not_found' || code === 'model_not_found_error') return true;
  return status === 404
    ? /\bmodel\b/i.test(text)
    : /\bmodel\b.{0,200}(not found|does not exist)|(unknown|no such) model/i.test(text);
}
