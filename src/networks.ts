import { BlockList, isIP, isIPv6 } from 'node:net';

/**
 * @param networks networks such as `10.1.2.0/24`, or single addresses
 * @returns a function that is true for the addresses in these networks; false for everything that is not an IP address
 */
export function networkFilter(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  // BlockList checks an IPv4-mapped address against IPv4 networks as well.
  return (address) => isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** True for an address of this machine that no other machine can reach. */
export const isLoopback = networkFilter(['127.0.0.0/8', '::1']);
