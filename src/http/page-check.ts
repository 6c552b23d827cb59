import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { Address, Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { isLoopback, networkFilter } from '../networks.ts';

/** Reads a header of the request by its lower-case name. */
type ReadHeader = (name: string) => string | undefined;

/** @returns why the request is not served; undefined if it is */
export type PageCheck = (header: ReadHeader) => GatewayError | undefined;

interface PageCheckOptions extends Pick<Config, 'allowed_hosts' | 'cors'> {
  /** The address that the request came in on. */
  readonly listen: Address;
}

/**
 * Creates the check of requests that need no key, and which every web page that somebody visits could otherwise send.
 *
 * As Ollama does, it refuses pages of other origins, and on a loopback address also foreign host names: with DNS rebinding, a
 * page can let its own name point to this machine. A client that is no browser sends neither.
 *
 * @see https://github.com/ollama/ollama/blob/main/server/routes.go `allowedHostsMiddleware`
 */
export function createPageCheck({ listen, allowed_hosts: names, cors }: PageCheckOptions): PageCheck {
  const checksHost = names.length > 0 || isLoopbackAddress(listen);
  return (header) => {
    const host = (header('host') ?? '').toLowerCase();
    if (checksHost && !isLocalHost(hostNameIn(host), names)) return hostRefused();
    const origin = header('origin');
    if (origin === undefined) return isForeignSubresource(header) ? originRefused() : undefined;
    return isOwnOrigin(origin.toLowerCase(), host) || cors.includes(origin) ? undefined : originRefused();
  };
}

/** True for an address to listen on that only programs on this machine can reach. */
export function isLoopbackAddress(listen: Address): boolean {
  if ('path' in listen) return false;
  const host = listen.host.toLowerCase();
  return isLocalName(host) || isLoopback(host);
}

function hostRefused(): GatewayError {
  const message = 'Without a key, only local host names are served. Use localhost, or add the name to allowed_hosts.';
  return new GatewayError('host_not_allowed', message);
}

function originRefused(): GatewayError {
  const message = 'Without a key, only local web pages are served. Send a key, or add the origin to cors.';
  return new GatewayError('origin_not_allowed', message);
}

/** @returns the name in a Host header, in lower case, without its port; undefined when the header is malformed */
function hostNameIn(host: string): string | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host);
  if (match === null) return undefined;
  const [, bracketed, name = ''] = match;
  return bracketed ?? name.replace(/\.$/, '');
}

/** Ollama's `IsPrivate` and `IsUnspecified`. */
const isPrivate = networkFilter(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', '0.0.0.0', '::']);

const ownName = hostname().toLowerCase();

/** Nobody can register names in these domains, so none of them can be made to point here. */
const localDomain = /\.(localhost|local|internal)$/;

function isLocalHost(name: string | undefined, allowed: readonly string[]): boolean {
  if (name === undefined) return false;
  if (isIP(name) !== 0) return isLoopback(name) || isPrivate(name) || isOwnAddress(name);
  // Browsers always send a name. HTTP/1.0 has no Host header.
  return name === '' || isLocalName(name) || localDomain.test(name) || allowed.includes(name) || name === ownName;
}

function isLocalName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

function isOwnAddress(address: string): boolean {
  try {
    return Object.values(networkInterfaces()).some((ones) => ones?.some((one) => one.address === address) === true);
  } catch {
    // A sandbox may not let the process list them.
    return false;
  }
}

/** Origins of desktop programs, editors and browser extensions, none of which a web page can have. */
const programOrigin =
  /^(app|file|tauri|vscode-webview|vscode-file|(chrome|moz|safari|safari-web|ms-browser)-extension):\/\//;

/** @param host the Host header; a page that llamaduct's own address serves, for example through a proxy, has its origin */
function isOwnOrigin(origin: string, host: string): boolean {
  if (origin === `http://${host}` || origin === `https://${host}` || programOrigin.test(origin)) return true;
  const url = URL.parse(origin);
  if (url === null || !/^https?:$/.test(url.protocol) || url.origin !== origin) return false;
  const name = hostNameIn(url.hostname) ?? '';
  return isLocalName(name) || isLoopback(name) || name === '0.0.0.0';
}

/** True for what a page of another site embeds, such as an image or a script: browsers send no Origin with it. */
function isForeignSubresource(header: ReadHeader): boolean {
  return header('sec-fetch-site') === 'cross-site' && header('sec-fetch-mode') !== 'navigate';
}
