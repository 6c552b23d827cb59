import { isIPv6 } from 'node:net';
import { ConfigError } from './error.ts';

/**
 * The address of an Ollama, in all the forms its own client takes in OLLAMA_HOST: `host`, `host:port`, `:port`, or a URL.
 * Without a port it is 11434, but 80 or 443 where a scheme is given. A server's wildcard address becomes loopback.
 * @param setting names the flag or variable in messages; the text itself may hold a password.
 * @throws ConfigError
 */
export function ollamaUrl(text: string, setting: string): string {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*)$/is.exec(text.trim()) ?? [];
  const [, authority = '', path = ''] = /^([^/]*)(.*)$/s.exec(rest) ?? [];
  const host = isIPv6(authority) ? `[${authority}]` : authority.replace(/^(?=:|$)/, '127.0.0.1');
  const port = scheme !== undefined || /:\d+$/.test(host) ? '' : ':11434';
  const url = URL.parse(`${scheme ?? 'http'}://${host}${port}${path}`);
  if (url === null || url.search !== '' || url.hash !== '') {
    throw new ConfigError(`${setting}: expected HOST, HOST:PORT or a URL such as http://127.0.0.1:11434`);
  }
  return toLoopback(url);
}

/** `url` for a client: a wildcard host, which only a listener understands, becomes the loopback one. */
export function toLoopback(url: string | URL): string {
  const reachable = new URL(url);
  if (reachable.hostname === '0.0.0.0') reachable.hostname = '127.0.0.1';
  if (reachable.hostname === '[::]') reachable.hostname = '[::1]';
  return reachable.href.replace(/\/$/, '');
}
