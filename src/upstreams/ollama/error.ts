import { GatewayError } from '../../errors.ts';
import { contextError, isContextOverflow } from '../context-overflow.ts';
import { type ParsedError, parseErrorFields, readErrorBody } from '../error-body.ts';
import { sizeError } from '../output-limit.ts';
import { accountText, isPublicLink, publicLinks, publicText } from '../public-text.ts';
import { boundedRetryAfter, keyError, misconfigured, serverError } from '../server-error.ts';

/** Seconds after which a busy server may answer: Ollama sends no Retry-After, but a proxy in front of it may. */
const defaultRetryAfter = 5;

/**
 * Translates an error response of Ollama. The text of a 4xx is about the request, and that of a 5xx says what is wrong with
 * a model, so clients get both, without addresses and file paths.
 *
 * @param body the response's body, `{"error":"…"}` or something else
 * @param retryAfter the response's Retry-After, in seconds
 */
export function statusError(status: number, body: string, retryAfter?: number): GatewayError {
  const parsed = readErrorBody(body);
  return errorOf(status, parsed, retryAfter).asAnswer(status, parsed.message !== '');
}

function errorOf(status: number, parsed: ParsedError, retryAfter: number | undefined): GatewayError {
  const { message } = parsed;
  const text = publicText(message);
  if (status === 404 || status === 405) {
    if (message === '') return misconfigured(status);
    return new GatewayError('model_not_found', text, { param: 'model' });
  }
  if (status === 401 || status === 402 || status === 403) return accountError(parsed);
  if (status === 503 || status === 429) return busyError(status, message, retryAfter);
  const tooLong = sizeError(status, text, parsed);
  if (tooLong !== undefined) return tooLong;
  const param = paramNamedIn(text);
  if (param !== undefined) return new GatewayError('invalid_value', text, { param });
  if (status >= 500 || status < 400) return serverError(text, retryAfter && boundedRetryAfter(retryAfter));
  return new GatewayError('invalid_value', text || 'The upstream refused the request.', { status });
}

/**
 * A model of Ollama's cloud needs an account that is signed in, or has a subscription: that is for the user, with its link.
 * Anything else is about the key of this gateway, or from a proxy.
 */
function accountError({ message, signIn }: ParsedError): GatewayError {
  if (signIn !== undefined && isPublicLink(signIn)) {
    return new GatewayError('account_required', `The model server has to be signed in to its account: ${signIn}`);
  }
  const text = accountText(message);
  const isAboutAccount =
    publicLinks(message).length > 0 || accountWords.test(text) || /disabled|unavailable/i.test(text);
  return isAboutAccount ? new GatewayError('account_required', text) : keyError();
}

const accountWords = /subscri|\bsign(ed)?[ -]?in\b/i;

/** A used-up quota of the server's account does not pass in a moment, unless the server says when it does. */
function busyError(status: number, message: string, retryAfter: number | undefined): GatewayError {
  const isQuota = status === 429 && /usage limit|quota|subscri|upgrade/i.test(message);
  const wait = retryAfter ?? (isQuota ? undefined : defaultRetryAfter);
  return new GatewayError('upstream_busy', accountText(message) || 'The upstream is busy.', {
    status,
    ...(wait !== undefined && { retryAfter: boundedRetryAfter(wait) }),
  });
}

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
  const { message, code, sizes } = parseErrorFields(error);
  if (accountWords.test(message) && publicLinks(message).length > 0) {
    return new GatewayError('account_required', accountText(message));
  }
  const text = publicText(message);
  return isContextOverflow(text, code) ? contextError(text, sizes) : serverError(text);
}
