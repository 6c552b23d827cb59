import { isIP } from 'node:net';
import type { Refuse } from './refusal.ts';

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/**
 * Parses and checks the URL of an image. The WHATWG parser turns every spelling of an IP address (`127.1`,
 * `0x7f000001`, `[::ffff:127.0.0.1]`) into the one that the guard checks.
 *
 * @param ports the allowed ports
 * @param from the URL that redirected to this one, and the base of a relative one
 * @throws {GatewayError} 400 made by `refuse`
 */
export function readTarget(text: string, ports: readonly number[], refuse: Refuse, from?: URL): URL {
  const url = URL.parse(text, from?.href);
  if (url === null) throw refuse('it is not a valid URL');
  const { protocol, port, username, password } = url;
  const defaultPort = defaultPorts[protocol];
  if (defaultPort === undefined) throw refuse('its URL must be http or https');
  if (from?.protocol === 'https:' && protocol === 'http:') throw refuse('it would switch from https to http');
  if (username !== '' || password !== '') throw refuse('its URL must not contain a user name or password');
  if (!ports.includes(port === '' ? defaultPort : Number(port))) {
    throw refuse(`its port must be ${ports.join(' or ')}`);
  }
  return url;
}

/** @returns the host as sockets expect it: an IPv6 address without brackets */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** @returns the addresses of an IP literal or localhost; undefined for a host name that needs DNS */
export function literalAddresses(host: string): string[] | undefined {
  if (isIP(host) !== 0) return [host];
  // https://www.rfc-editor.org/rfc/rfc6761#section-6.3
  if (/(?:^|\.)localhost\.?$/.test(host)) return ['127.0.0.1', '::1'];
  return undefined;
}
