import { Resolver } from 'node:dns/promises';

/** Resolves a host name to its addresses, or to none. Cancelled by the signal. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Milliseconds for the first query; doubled for the second. */
const timeout = 1_500;

/**
 * Queries the name servers, without `dns.lookup`: that blocks one of the process's four threads until it is done, so
 * that a few slow names would hold up everything else, and it cannot be cancelled.
 *
 * @param servers name servers to use instead of the machine's
 * @returns IPv4 addresses, then IPv6 addresses
 */
export async function resolveHost(host: string, signal: AbortSignal, servers?: readonly string[]): Promise<string[]> {
  const resolver = new Resolver({ timeout, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel);
  try {
    const results = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
