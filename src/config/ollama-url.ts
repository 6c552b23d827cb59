import { isIPv6 } from 'node:net';
import { ConfigError } from './error.ts';

/**
 * Parses the address of an Ollama server in every form that Ollama's own client accepts in OLLAMA_HOST: `host`,
 * `host:port`, `:port`, or a URL. The default port is 11434; for a URL with a scheme it is 80 or 443. A wildcard address,
 * on which a server listens, becomes the loopback address.
 *
 * @param setting the flag or variable to name in the error; the text itself may contain a password
 * @returns the URL, without a trailing slash
 * @throws {ConfigError} when `text` is none of these forms
 * @see https://github.com/ollama/ollama/blob/main/envconfig/config.go
 */
export function ollamaUrl(text: string, setting: string): string {
  const url = URL.parse(withDefaults(text.trim()));
  if (url === null || url.search !== '' || url.hash !== '') {
    throw new ConfigError(`${setting}: expected HOST, HOST:PORT or a URL such as http://127.0.0.1:11434`);
  }
  return toLoopback(url);
}

/** Adds the scheme, host and port that `text` leaves out. */
function withDefaults(text: string): string {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*)$/is.exec(text) ?? [];
  const [, authority = '', path = ''] = /^([^/]*)(.*)$/s.exec(rest) ?? [];
  const host = isIPv6(authority) ? `[${authority}]` : authority.replace(/^(?=:|$)/, '127.0.0.1');
  const port = scheme !== undefined || /:\d+$/.test(host) ? '' : ':11434';
  return `${scheme ?? 'http'}://${host}${port}${path}`;
}

/**
 * Makes the URL of a listener usable by a client on this machine: a wildcard host becomes the loopback host. The path
 * of a Unix socket stays as it is.
 *
 * @returns the URL, without a trailing slash
 */
export function toLoopback(url: string | URL): string {
  if (String(url).startsWith('unix:')) return String(url);
  const reachable = new URL(url);
  if (reachable.hostname === '0.0.0.0') reachable.hostname = '127.0.0.1';
  if (reachable.hostname === '[::]') reachable.hostname = '[::1]';
  return reachable.href.replace(/\/$/, '');
}
