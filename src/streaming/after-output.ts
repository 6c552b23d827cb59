import { GatewayError } from '../errors.ts';

/** Seconds after which a retry may succeed. */
const retryAfter = 2;

/**
 * The error for a failure after some of the answer came: by then the model was loaded.
 *
 * @param error what it would be before anything came
 */
export function afterOutput(error: GatewayError): GatewayError {
  if (error.code !== 'model_load_failed') return error;
  return new GatewayError('upstream_error', error.message, { retryAfter });
}
