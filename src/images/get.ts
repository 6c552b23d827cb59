import { isIP, type LookupFunction } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { GatewayError } from '../errors.ts';
import type { Refuse } from './refusal.ts';

interface GetOptions {
  /** What the URL's host was checked to be: the socket goes to one of these and asks no name server again. */
  readonly addresses: readonly string[];
  readonly maxBytes: number;
  readonly refuse: Refuse;
  /** Ends it in every phase; the socket is then destroyed. */
  readonly signal: AbortSignal;
}

/** Either the whole body of a 200, or where the server redirects to. */
export type Got = { readonly body: Buffer } | { readonly location: string };

const headers = {
  'user-agent': 'llamaduct',
  accept: 'image/png, image/jpeg, image/webp, image/gif',
  'accept-encoding': 'identity',
};

/**
 * One GET over a connection of its own, closed afterwards. Follows nothing, retries nothing, and leaves all timing to
 * the signal.
 *
 * @throws {GatewayError} 400 made by `refuse`
 */
export async function get(url: URL, { addresses, maxBytes, refuse, signal }: GetOptions): Promise<Got> {
  const client = new Client(url.origin, {
    allowH2: false,
    connect: { lookup: handOut(addresses), signal, timeout: 0 },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const answer = await client.request({ method: 'GET', path: url.pathname + url.search, headers, reset: true });
    const location = redirection(answer);
    return location === undefined ? { body: await readBody(answer, maxBytes, refuse) } : { location };
  } catch (error) {
    throw error instanceof GatewayError ? error : refuse(whyBroken(error), error);
  } finally {
    await client.destroy();
  }
}

/** A lookup whose answer is fixed. Sockets ask it only for names: an IP address is what it was checked to be. */
function handOut(addresses: readonly string[]): LookupFunction {
  const known = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, callback) => {
    const [first] = known;
    if (all === true) callback(null, known);
    else callback(null, first?.address ?? '', first?.family);
  };
}

function redirection({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers;
  return [301, 302, 303, 307, 308].includes(statusCode) && typeof location === 'string' ? location : undefined;
}

async function readBody(answer: Dispatcher.ResponseData, maxBytes: number, refuse: Refuse): Promise<Buffer> {
  const { statusCode, headers, body } = answer;
  const tooLarge = (): GatewayError => refuse(`it is larger than ${maxBytes} bytes`);
  if (statusCode !== 200) throw refuse(`its server answered with status ${statusCode}`);
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw refuse('its server sends it compressed');
  if (Number(headers['content-length']) > maxBytes) throw tooLarge();
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > maxBytes) throw tooLarge();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const unreachable = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT'];

function whyBroken(error: unknown): string {
  const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
  if (unreachable.includes(code)) return 'its server cannot be reached';
  // CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT, ERR_TLS_CERT_ALTNAME_INVALID, UNABLE_TO_VERIFY_LEAF_SIGNATURE
  if (/CERT|LEAF_SIGNATURE/.test(code)) return "its server's certificate is not valid";
  return 'its server broke the connection or does not speak HTTP';
}
