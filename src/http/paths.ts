import type { Context } from 'hono';
import { GatewayError } from '../errors.ts';
import type { Env } from './respond.ts';

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

/** @throws {GatewayError} 404 for what would reach a route only after being rewritten */
export function requirePlainTarget(c: Context<Env>): void {
  const target = c.env?.incoming?.url ?? new URL(c.req.url).pathname;
  if (!isPlainTarget(target)) throw notFound();
}

/** What is said at a path where there is nothing. */
export function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is nothing at this path.');
}
