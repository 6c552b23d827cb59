import { GatewayError } from '../errors.ts';

/**
 * The error when no upstream may be used.
 *
 * @param retryInMs milliseconds until each upstream may be used
 * @param others true when there are upstreams that do not have the model
 */
export function allUpstreamsDown(retryInMs: readonly number[], others = false): GatewayError {
  const retryAfter = Math.min(60, Math.max(1, Math.ceil(Math.min(...retryInMs) / 1000)));
  const which = others ? 'No upstream that has the model' : 'No upstream';
  return new GatewayError('upstream_down', `${which} can be reached.`, { retryAfter });
}

/** The error when one upstream is ejected. */
export function upstreamDown(): GatewayError {
  return new GatewayError('upstream_down', 'The upstream cannot be reached.', { retryAfter: 5 });
}
