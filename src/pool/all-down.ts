import { GatewayError } from '../errors.ts';

/**
 * What is said where no upstream may be asked.
 *
 * @param downFor milliseconds until each may be
 * @param others whether there are upstreams that do not have the model
 */
export function allUpstreamsDown(downFor: readonly number[], others = false): GatewayError {
  const retryAfter = Math.min(60, Math.max(1, Math.ceil(Math.min(...downFor) / 1000)));
  const which = others ? 'No upstream that has the model' : 'No upstream';
  return new GatewayError('upstream_down', `${which} can be reached.`, { retryAfter });
}

/** What is said where one upstream is out. */
export function upstreamDown(): GatewayError {
  return new GatewayError('upstream_down', 'The upstream cannot be reached.', { retryAfter: 5 });
}
