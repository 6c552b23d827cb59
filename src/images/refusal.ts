import { GatewayError } from '../errors.ts';

/** Makes the 400 that says why an image cannot be fetched: `why` is a clause in plain words, without addresses. */
export type Refuse = (why: string, cause?: unknown) => GatewayError;

/** @param param the request field that holds the URL */
export function refusalOf(param: string): Refuse {
  return (why, cause) => new GatewayError('invalid_value', `${param} cannot be fetched: ${why}.`, { param, cause });
}

/** For what is wrong with the place a redirect leads to, rather than with the URL the client sent. */
export function afterRedirect(refuse: Refuse): Refuse {
  return (why, cause) => refuse(`after a redirect, ${why}`, cause);
}
