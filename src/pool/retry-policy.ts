import type { ErrorCode, GatewayError } from '../errors.ts';

/** Servers that a failed request may be retried on: any, or any but the one that failed. */
type RetryTarget = 'any' | 'other';

/** Errors whose cause may pass in a moment. */
const passing: ReadonlySet<ErrorCode> = new Set(['upstream_unreachable', 'upstream_down', 'upstream_incomplete']);

/** Errors that the same server would only repeat. */
const lasting: ReadonlySet<ErrorCode> = new Set([
  // The model does not fit there.
  'model_load_failed',
  'upstream_tls_error',
  'queue_full',
  'upstream_protocol_error',
  'upstream_misconfigured',
  // It was silent for as long as a request may wait.
  'upstream_timeout',
  'upstream_idle_timeout',
  'first_token_timeout',
  // The request may have broken it.
  'upstream_crashed',
]);

/**
 * Decides whether a request that failed before anything of its answer came may be retried. Another server may have what this
 * one lacks; the same server is tried again only if the cause may pass in a moment. An upstream's own 4xx are final.
 *
 * @returns undefined if a retry would fail in the same way
 */
export function retryTarget(error: GatewayError): RetryTarget | undefined {
  const { code } = error;
  if (passing.has(code)) return 'any';
  if (lasting.has(code)) return 'other';
  // Nothing was generated, but the pool must find out first which server has the model.
  if (code === 'model_not_found') return error.answered === undefined ? undefined : 'other';
  return code === 'upstream_error' || code === 'upstream_busy' ? targetAfterAnswer(error) : undefined;
}

function targetAfterAnswer({ answered, cause, retryable }: GatewayError): RetryTarget | undefined {
  if (answered === undefined) return cause === undefined ? undefined : 'any';
  if (answered.status < 400) return 'other';
  return answered.status >= 500 && retryable ? 'any' : undefined;
}

/** True if the server could not be reached or went away, so that it generates nothing for the request any more. */
export function isConnectionLost({ code, cause }: GatewayError): boolean {
  if (code === 'upstream_unreachable' || code === 'upstream_tls_error') return true;
  return cause !== undefined && (code === 'upstream_error' || code === 'upstream_incomplete');
}
