import { GatewayError } from '../errors.ts';

/**
 * True for a request target that reaches a route as it is: no dot segments, doubled or back slashes, encoded characters or
 * absolute form, which the router would rewrite first. Only a model's id, which is data, may be percent-encoded.
 */
export function isPlainTarget(target: string): boolean {
  // The common case, without the cost of parsing.
  if (/^(\/[\w-]+)+$/.test(target)) return true;
  const [path = ''] = target.split('?', 1);
  if (!path.startsWith('/') || path.includes('//')) return false;
  if (path.includes('%') && !path.startsWith('/v1/models/')) return false;
  const parsed = URL.parse(path, 'http://host');
  return parsed !== null && parsed.pathname === path;
}

/** The error for a path without a route. */
export function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is nothing at this path.');
}
