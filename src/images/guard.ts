import { BlockList, isIP } from 'node:net';
import { networkFilter } from '../networks.ts';

/**
 * IPv4 networks outside the public internet.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 */
const forbiddenIPv4: readonly (readonly [net: string, prefix: number])[] = [
  ['0.0.0.0', 8], // this host
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's platform services, reachable only from its virtual machines
  ['169.254.0.0', 16], // link-local, and the metadata services of most clouds
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarking
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
];

/**
 * IPv6 networks that may be public: the global unicast addresses assigned so far, and two forms whose embedded IPv4
 * address decides. Loopback, unspecified, IPv4-compatible, unique local, link-local, site-local, multicast and local
 * NAT64 addresses are outside of these.
 *
 * @see https://www.iana.org/assignments/ipv6-address-space
 */
const publicIPv6: readonly (readonly [net: string, prefix: number])[] = [
  ['2000::', 3],
  ['::ffff:0:0', 96], // IPv4-mapped
  ['64:ff9b::', 96], // NAT64, through which an IPv6-only host reaches the IPv4 internet
];

/** @see https://www.iana.org/assignments/iana-ipv6-special-registry */
const forbiddenIPv6: readonly (readonly [net: string, prefix: number])[] = [
  ['2001::', 23], // protocol assignments: Teredo, benchmarking, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3ffe::', 16], // 6bone
  ['3fff::', 20], // documentation
  ...forbiddenIPv4.map(([net, prefix]) => [`64:ff9b::${net}`, 96 + prefix] as const),
];

const forbidden = new BlockList();
for (const [net, prefix] of forbiddenIPv4) forbidden.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of forbiddenIPv6) forbidden.addSubnet(net, prefix, 'ipv6');
const possiblyPublic = new BlockList();
for (const [net, prefix] of publicIPv6) possiblyPublic.addSubnet(net, prefix, 'ipv6');

/**
 * True for a public internet address: not this machine, its network or a cloud's metadata service, nor one of these
 * embedded in another form of address. False for anything but one plain IP address, such as a host name or an address
 * with a zone.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !forbidden.check(address, 'ipv4');
    case 6:
      // BlockList checks an IPv4-mapped address against its IPv4 networks as well.
      return !address.includes('%') && possiblyPublic.check(address, 'ipv6') && !forbidden.check(address, 'ipv6');
    default:
      return false;
  }
}

/**
 * Creates a filter that allows public addresses and those of the given networks.
 *
 * @param networks for example `10.1.2.0/24`
 */
export function createAddressFilter(networks: readonly string[]): (address: string) => boolean {
  const isListed = networkFilter(networks);
  return (address) => isPublicAddress(address) || isListed(address);
}
