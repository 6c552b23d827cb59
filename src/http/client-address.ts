import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Config } from '../config/schema.ts';
import { networkFilter } from '../networks.ts';

type Settings = Pick<Config, 'listen' | 'trusted_proxies'>;

/** Finds the address of the client that sent a request; undefined when the connection is already closed. */
export type ClientAddressOf = (incoming: Pick<IncomingMessage, 'socket' | 'headers'>) => string | undefined;

/** The address of whoever connects to a Unix socket. */
const unixPeer = 'unix';

/** Hops that are read in `X-Forwarded-For`: a client can make it as long as the head of a request may be. */
const maxHops = 32;

/**
 * The client is whoever opened the connection. If that is a trusted proxy, it is the last address in `X-Forwarded-For` that
 * is not one of a trusted proxy: everything before it may be made up.
 *
 * @see https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
 */
export function createClientAddressOf({ listen, trusted_proxies: proxies }: Settings): ClientAddressOf {
  const peerOf: ClientAddressOf = 'path' in listen ? () => unixPeer : addressOfPeer;
  if (proxies.length === 0) return peerOf;
  const isProxy = networkFilter(proxies.filter((network) => network !== unixPeer));
  const trustsUnix = proxies.includes(unixPeer);
  return (incoming) => {
    const peer = peerOf(incoming);
    const forwarded = incoming.headers['x-forwarded-for'];
    if (peer === undefined || forwarded === undefined) return peer;
    if (!(peer === unixPeer ? trustsUnix : isProxy(peer))) return peer;
    return lastUntrusted(String(forwarded), isProxy) ?? peer;
  };
}

/** @returns undefined when the last hop is not an address */
function lastUntrusted(forwarded: string, isProxy: (address: string) => boolean): string | undefined {
  let client: string | undefined;
  for (const hop of forwarded.split(',').slice(-maxHops).toReversed()) {
    const address = addressIn(hop.trim());
    // Whoever sent this hop is the last one who is known.
    if (address === undefined) return client;
    client = address;
    if (!isProxy(address)) return client;
  }
  return client;
}

/** @returns the address of a connection; undefined when it is closed, or on a Unix socket */
export function addressOfPeer({ socket: { remoteAddress } }: Pick<IncomingMessage, 'socket'>): string | undefined {
  return remoteAddress === undefined ? undefined : normalized(remoteAddress);
}

/** @returns the address of one hop, which some proxies send with its port; undefined when it is none */
function addressIn(hop: string): string | undefined {
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(hop) ?? [];
  const address = bracketed ?? (/^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(':')) : hop);
  return isIP(address) === 0 ? undefined : normalized(address);
}

/** Writes an IPv4 address in one way, also when it comes from a socket that takes IPv4 and IPv6. */
function normalized(address: string): string {
  const [withoutZone = ''] = address.split('%', 1);
  return withoutZone.replace(/^::ffff:(?=\d+\.)/i, '');
}
