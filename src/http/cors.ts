import type { Context } from 'hono';
import type { Env } from './respond.ts';

/** Seconds that a browser need not ask again: the most that any of them takes. */
const maxAge = 7200;

/** What SDKs send from browsers, beside what a browser allows by itself. */
const requestHeaders = new Set([
  'accept',
  'accept-language',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
  'anthropic-version',
  'authorization',
  'content-language',
  'content-type',
  'idempotency-key',
  'openai-beta',
  'openai-organization',
  'openai-project',
  'user-agent',
  'x-api-key',
  'x-request-id',
]);

/** `x-stainless-*`: the telemetry of OpenAI's and Anthropic's SDKs. */
const requestHeaderFamilies = /^x-(stainless|llamaduct)-[a-z0-9-]{1,64}$/;

/** Headers in one question. SDKs send about a dozen. */
const maxAsked = 64;

const rates = ['limit', 'remaining', 'reset'].flatMap((what) =>
  ['requests', 'tokens'].map((family) => `x-ratelimit-${what}-${family}`),
);

/** What a page may read of an answer, beside what every page may. */
export const exposedHeaders = [
  'request-id',
  'retry-after',
  'server-timing',
  'x-llamaduct-dropped',
  'x-llamaduct-queue-expected-wait',
  'x-llamaduct-queue-position',
  'x-llamaduct-queue-wait',
  'x-llamaduct-truncated',
  'x-request-id',
  'x-should-retry',
  ...rates,
].join(', ');

type CorsHeaders = Readonly<Record<string, string>>;

/** What an answer says to a browser whose page has this origin. Without any allowed origins nothing. */
export type Cors = (origin: string | undefined) => CorsHeaders;

const none: CorsHeaders = {};
/** An answer to one origin is not one to another. */
const others: CorsHeaders = { vary: 'Origin' };

/**
 * Cross-origin requests of the pages of some origins. Never with credentials: keys are sent by scripts, not by browsers.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function createCors(origins: readonly string[]): Cors {
  if (origins.length === 0) return () => none;
  const allowed = new Map(
    origins.map((origin): [string, CorsHeaders] => [
      origin,
      { ...others, 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders },
    ]),
  );
  return (origin) => (origin === undefined ? others : (allowed.get(origin) ?? others));
}

/** Answers a browser's question whether a page may send a request; undefined for any other request, or where it may not. */
export function preflight(c: Context<Env>, cors: Cors, methods: readonly string[]): Response | undefined {
  if (c.req.method !== 'OPTIONS' || c.req.header('access-control-request-method') === undefined) return undefined;
  const headers = cors(c.req.header('origin'));
  if (headers['access-control-allow-origin'] === undefined) return undefined;
  const asked = (c.req.header('access-control-request-headers') ?? '').toLowerCase().split(',', maxAsked);
  const granted = asked
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
