import { lookup } from 'node:dns/promises';
import { GatewayError } from '../errors.ts';
import { type OutboundRequest, get } from '../images/get.ts';
import type { Refuse } from '../images/refusal.ts';
import { resolveHost } from '../images/resolve.ts';
import { hostOf, literalAddresses, readTarget } from '../images/target.ts';

/** Redirects that one search may follow. */
const maxRedirects = 3;

/** Bytes of an answer. */
const maxBytes = 2 * 1024 * 1024;

/** The error of a search without a usable answer. It reaches no client: its text is for tests and debuggers. */
const refuse: Refuse = (why, cause) =>
  new GatewayError('upstream_error', `The search server failed: ${why}.`, { cause });

/**
 * Sends a request to the search server that the operator configured. It may have a private address. A redirect must stay on
 * the same scheme, host and port: a server that is not trusted with more could otherwise reach others through llamaduct.
 *
 * @returns the body of a 200, at most 2 MiB
 * @throws {GatewayError} for every other answer, and for a server that cannot be reached
 * @throws the signal's reason when it aborts
 */
export async function callEndpoint(endpoint: URL, request: OutboundRequest, signal: AbortSignal): Promise<Buffer> {
  let url = endpoint;
  try {
    for (let redirect = 0; ; redirect += 1) {
      const addresses = await addressesOf(hostOf(url), signal);
      if (addresses.length === 0) throw refuse('its host name does not resolve');
      const result = await get(url, { addresses, maxBytes, refuse, signal, request });
      if ('body' in result) return result.body;
      // A POST that is repeated elsewhere, or as a GET, would not be the same search.
      if (request.method !== 'GET') throw refuse('it redirects a POST');
      if (redirect === maxRedirects) throw refuse('it redirects too often');
      url = redirected(result.location, url, endpoint);
    }
  } catch (error) {
    // An abort can surface as any error; its reason is the one to report.
    signal.throwIfAborted();
    throw error;
  }
}

function redirected(location: string, from: URL, endpoint: URL): URL {
  const target = URL.parse(location, from.href);
  if (target?.origin !== endpoint.origin) throw refuse('it redirects to another server');
  return readTarget(location, [portOf(endpoint)], refuse, from);
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/** Name servers come first, because they can be cancelled; then the hosts file, which they do not know. */
async function addressesOf(host: string, signal: AbortSignal): Promise<readonly string[]> {
  const literal = literalAddresses(host);
  if (literal !== undefined) return literal;
  const resolved = await resolveHost(host, signal).catch(() => []);
  signal.throwIfAborted();
  if (resolved.length > 0) return resolved;
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}
