import type { GatewayError } from '../errors.ts';

/** Servers that a failed request may be retried on: any, or any but the one that failed. */
type RetryTarget = 'any' | 'other';

/**
 * Decides whether a request that failed before anything of its answer came may be retried. Another server may have what this
 * one lacks; the same server is tried again only if the cause may pass in a moment. An upstream's own 4xx are final.
 *
 * @returns undefined if a retry would fail in the same way
 */
export function retryTarget(error: GatewayError): RetryTarget | undefined {
  switch (error.code) {
    case 'upstream_unreachable':
    case 'upstream_down':
    case 'upstream_incomplete':
      return 'any';
    // The model does not fit there, its certificate stays as it is, the queue is full, or the server is silent for as long as a request may wait.
    case 'model_load_failed':
    case 'upstream_tls_error':
    case 'queue_full':
    case 'upstream_timeout':
    case 'upstream_misconfigured':
    // The request may have broken it.
    case 'upstream_crashed':
      return 'other';
    // Nothing was generated, but the pool must find out first which server has the model.
    case 'model_not_found':
      return error.answered === undefined ? undefined : 'other';
    case 'upstream_error':
    case 'upstream_busy':
      return targetAfterAnswer(error);
    default:
      return undefined;
  }
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
