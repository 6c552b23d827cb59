import { GatewayError } from '../errors.ts';

/** Creates the 400 for an image that cannot be fetched. `why` is a clause for the client and contains no address. */
export type Refuse = (why: string, cause?: unknown) => GatewayError;

/** @param param the request field that holds the URL */
export function refusalOf(param: string): Refuse {
  return (why, cause) => new GatewayError('invalid_value', `${param} cannot be fetched: ${why}.`, { param, cause });
}

/** @returns a refusal for the target of a redirect instead of the client's URL */
export function afterRedirect(refuse: Refuse): Refuse {
  return (why, cause) => refuse(`after a redirect, ${why}`, cause);
}
