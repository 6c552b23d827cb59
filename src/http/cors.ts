import type { Context } from 'hono';
import type { Env } from './respond.ts';

/** Seconds that browsers may cache a preflight; Chromium allows no more. */
const maxAge = 7200;

/** Request headers that SDKs send from browsers, in addition to those that CORS always allows. */
const requestHeaders = new Set([
  'accept',
  'accept-language',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'anthropic-version',
  'api-key',
  'authorization',
  'content-encoding',
  'content-language',
  'content-type',
  'idempotency-key',
  'openai-beta',
  'openai-organization',
  'openai-project',
  'user-agent',
  'x-api-key',
  'x-goog-api-client',
  'x-goog-api-key',
  'x-request-id',
  'x-server-timeout',
]);

/** `x-stainless-*` is telemetry of OpenAI's and Anthropic's SDKs. */
const requestHeaderFamilies = /^x-(stainless|llamaduct)-[a-z0-9-]{1,64}$/;

/** Maximum number of headers in one preflight. SDKs send about a dozen. */
const maxRequested = 64;

const rates = ['limit', 'remaining', 'reset'].flatMap((what) =>
  ['requests', 'tokens', 'tokens-day', 'tokens-month'].map((family) => `x-ratelimit-${what}-${family}`),
);

/** Response headers that a page may read, in addition to those that CORS always exposes. */
export const exposedHeaders = [
  'request-id',
  'retry-after',
  'server-timing',
  'x-llamaduct-decoded-tokens',
  'x-llamaduct-dropped',
  'x-llamaduct-estimated',
  'x-llamaduct-queue-expected-wait',
  'x-llamaduct-queue-position',
  'x-llamaduct-queue-wait',
  'x-llamaduct-tools',
  'x-llamaduct-truncated',
  'x-request-id',
  'x-should-retry',
  ...rates,
].join(', ');

type CorsHeaders = Readonly<Record<string, string>>;

/** Returns the CORS headers for a request's origin; none if no origins are configured. */
export type Cors = (origin: string | undefined) => CorsHeaders;

const none: CorsHeaders = {};
/** The answer depends on the origin, so caches must not reuse it for another one. */
const denied: CorsHeaders = { vary: 'Origin' };

/**
 * Allows cross-origin requests from pages of the given origins. Never with credentials: scripts send keys themselves.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function createCors(origins: readonly string[]): Cors {
  if (origins.length === 0) return () => none;
  const allowed = new Map(
    origins.map((origin): [string, CorsHeaders] => [
      origin,
      { ...denied, 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders },
    ]),
  );
  return (origin) => (origin === undefined ? denied : (allowed.get(origin) ?? denied));
}

/** True for an OPTIONS request of a browser. */
export function isPreflight(c: Context<Env>): boolean {
  return c.req.header('origin') !== undefined || c.req.header('access-control-request-method') !== undefined;
}

/** @returns the answer to a CORS preflight; undefined for any other request, and for an origin that is not allowed */
export function preflight(c: Context<Env>, cors: Cors, methods: readonly string[]): Response | undefined {
  if (c.req.method !== 'OPTIONS' || c.req.header('access-control-request-method') === undefined) return undefined;
  const headers = cors(c.req.header('origin'));
  if (headers['access-control-allow-origin'] === undefined) return undefined;
  const requested = (c.req.header('access-control-request-headers') ?? '').toLowerCase().split(',', maxRequested);
  const granted = requested
    .map((name) => name.trim())
    .filter((name) => requestHeaders.has(name) || requestHeaderFamilies.test(name));
  return c.newResponse(null, 204, {
    'access-control-allow-origin': headers['access-control-allow-origin'],
    'access-control-allow-methods': methods.join(', '),
    ...(granted.length > 0 && { 'access-control-allow-headers': granted.join(', ') }),
    'access-control-max-age': String(maxAge),
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  });
}
