import { Resolver } from 'node:dns/promises';

/** The addresses of a host name; none where it has none. Ends early when `signal` does. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Milliseconds, doubled for a second try. */
const timeout = 1_500;

/**
 * Asks the name servers, IPv4 before IPv6. Not `dns.lookup`: that takes one of the four threads of the whole process
 * until it is through, so that a few slow names would hold up everything else, and it cannot be cancelled.
 *
 * @param servers instead of those of the machine
 */
export async function resolveHost(host: string, signal: AbortSignal, servers?: readonly string[]): Promise<string[]> {
  const resolver = new Resolver({ timeout, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener('abort', cancel);
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}
