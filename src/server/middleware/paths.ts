import type { MiddlewareHandler } from 'hono';
import { GatewayError } from '../../errors.ts';
import type { Env } from '../respond.ts';

/**
 * True for a request target that means what it says: no dot segments, doubled or back slashes, encoded characters,
 * absolute form. Only a model's id, which is data, may be percent-encoded.
 */
export function isPlainTarget(target: string): boolean {
  // As nearly all are, and parsing costs.
  if (/^(\/[\w-]+)+$/.test(target)) return true;
  const [path = ''] = target.split('?', 1);
  if (!path.startsWith('/') || path.includes('//')) return false;
  if (path.includes('%') && !path.startsWith('/v1/models/')) return false;
  const parsed = URL.parse(path, 'http://host');
  return parsed !== null && parsed.pathname === path;
}

/** Answers 404 to what would reach a route only after being rewritten. */
export const plainTargetsOnly: MiddlewareHandler<Env> = (c, next) => {
  const target = c.env?.incoming?.url ?? new URL(c.req.url).pathname;
  if (!isPlainTarget(target)) throw new GatewayError('not_found', 'There is nothing at this path.');
  return next();
};
