import { isIPv6 } from 'node:net';

/** Groups of an IPv6 address that belong to its network: a client has all addresses of a /64. */
const networkGroups = 4;

/**
 * The network that counts as one client.
 *
 * @param address as Node reports it
 * @returns an IPv4 address itself, also one that is mapped to IPv6; for an IPv6 address its /64 network
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [before = '', after] = plain.split('::', 2);
  const first = before === '' ? [] : before.split(':');
  // `::` stands for as many zeros as are missing.
  const last = after === undefined || after === '' ? [] : after.split(':');
  const groups = after === undefined ? first : [...first, ...zeros(8 - first.length - last.length), ...last];
  return `${groups.slice(0, networkGroups).join(':')}::/64`;
}

function zeros(count: number): string[] {
  return Array.from({ length: Math.max(0, count) }, () => '0');
}
