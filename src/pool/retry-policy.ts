import type { GatewayError } from '../errors.ts';

/** Of whom a request may be asked again: of the same upstream as well, or only of another. */
type RetryTarget = 'anywhere' | 'elsewhere';

/**
 * Whether a request that failed before anything of its answer came may be asked again. Another upstream may have what this
 * one lacks; the same one is asked again only for what may be over in a moment. An upstream's own 4xx stand.
 *
 * @returns undefined for no: it would be refused again
 */
export function retryTarget({ code, cause, answered, retryable }: GatewayError): RetryTarget | undefined {
  switch (code) {
    case 'upstream_unreachable':
    case 'upstream_down':
    case 'upstream_incomplete':
      return 'anywhere';
    // A model that does not fit, a full queue, a box that is silent for as long as one waits at all.
    case 'model_load_failed':
    case 'queue_full':
    case 'upstream_timeout':
      return 'elsewhere';
    case 'model_not_found':
      // Nothing was generated, but who else has it has to be known first.
      return answered === undefined ? undefined : 'elsewhere';
    case 'upstream_error':
    case 'upstream_busy': {
      if (answered === undefined) return cause === undefined ? undefined : 'anywhere';
      if (answered.status < 400) return 'elsewhere';
      return answered.status >= 500 && retryable ? 'anywhere' : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether the upstream could not be reached, or went away: what it had is lost, and generates nothing any more. */
export function isConnectionLost({ code, cause }: GatewayError): boolean {
  return (
    code === 'upstream_unreachable' || (cause !== undefined && ['upstream_error', 'upstream_incomplete'].includes(code))
  );
}
