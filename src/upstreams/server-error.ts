import { GatewayError } from '../errors.ts';

/** Errors that the next request would meet as well, so that SDKs are not told to retry. */
const permanent =
  /error loading model|failed to load|unable to load|more system memory|insufficient memory|out of memory/i;

/** Seconds after which a retry may succeed. */
const retryAfter = 2;

/**
 * The error for a failure of the upstream itself.
 *
 * @param text the upstream's own message, fit for clients; '' when it sent none
 */
export function serverError(text: string): GatewayError {
  if (permanent.test(text)) return new GatewayError('model_load_failed', text);
  return new GatewayError('upstream_error', text || 'The upstream failed.', { retryAfter });
}
