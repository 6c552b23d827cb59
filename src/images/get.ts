import { isIP, type LookupFunction } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { GatewayError } from '../errors.ts';
import type { Refuse } from './refusal.ts';

interface GetOptions {
  /** The checked addresses of the URL's host. The socket connects to one of these without another DNS query. */
  readonly addresses: readonly string[];
  readonly maxBytes: number;
  readonly refuse: Refuse;
  /** The request. Absent: a GET of an image. */
  readonly request?: OutboundRequest;
  /** Aborts the request in every phase and destroys the socket. */
  readonly signal: AbortSignal;
}

export interface OutboundRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The whole body of a 200, or the target of a redirect. */
type GetResult = { readonly body: Buffer } | { readonly location: string };

const common = { 'user-agent': 'llamaduct', 'accept-encoding': 'identity' };

const imageRequest: OutboundRequest = {
  method: 'GET',
  headers: { accept: 'image/png, image/jpeg, image/webp, image/gif' },
};

/**
 * Sends one request over a new connection, which is closed afterwards. Follows no redirects, does not retry, and has no
 * timeout but the signal.
 *
 * @throws {GatewayError} 400 made by `refuse`
 */
export async function get(
  url: URL,
  { addresses, maxBytes, refuse, signal, request = imageRequest }: GetOptions,
): Promise<GetResult> {
  const client = new Client(url.origin, {
    allowH2: false,
    connect: { lookup: fixedLookup(addresses), signal, timeout: 0 },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const { method, headers, body = null } = request;
    const response = await client.request({
      method,
      path: url.pathname + url.search,
      headers: { ...common, ...headers },
      body,
      reset: true,
    });
    const location = redirectTarget(response);
    return location === undefined ? { body: await readBody(response, maxBytes, refuse) } : { location };
  } catch (error) {
    throw error instanceof GatewayError ? error : refuse(connectionFault(error), error);
  } finally {
    await client.destroy();
  }
}

/** A DNS lookup with a fixed result. Sockets use it for host names only; IP addresses have been checked as they are. */
function fixedLookup(addresses: readonly string[]): LookupFunction {
  const results = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    const [first] = results;
    if (all === true) callback(null, results);
    else callback(null, first?.address ?? '', first?.family);
  };
}

function redirectTarget({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers;
  return [301, 302, 303, 307, 308].includes(statusCode) && typeof location === 'string' ? location : undefined;
}

async function readBody(response: Dispatcher.ResponseData, maxBytes: number, refuse: Refuse): Promise<Buffer> {
  const { statusCode, headers, body } = response;
  const tooLarge = (): GatewayError => refuse(`it is larger than ${maxBytes} bytes`);
  if (statusCode !== 200) throw refuse(`its server answered with status ${statusCode}`);
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw refuse('its server sent it compressed');
  if (Number(headers['content-length']) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT'];

function connectionFault(error: unknown): string {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
  if (unreachable.includes(code)) return 'its server cannot be reached';
  // CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, UNABLE_TO_VERIFY_LEAF_SIGNATURE
  if (/CERT|LEAF_SIGNATURE/.test(code)) return "its server's certificate is not valid";
  return 'its server broke the connection or does not speak HTTP';
}
