import { type IncomingMessage, STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../errors.ts';
import { addressOfPeer } from './client-address.ts';

/** Maximum number of headers of a request. */
export const maxHeaders = 200;

/** True if the request head announces a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** @returns the fault of a request head that Node's parser accepts; undefined if there is none */
export function headFault({ headers, httpVersion, rawHeaders }: IncomingMessage): GatewayError | undefined {
  if (rawHeaders.length > 2 * maxHeaders) return tooManyHeaders();
  // Only HTTP/1.0 may leave it out, as the plain checks of load balancers do.
  if (headers.host === undefined && httpVersion !== '1.0') {
    return new GatewayError('invalid_value', 'There is no Host header.');
  }
  const coding = headers['transfer-encoding'];
  if (coding === undefined || coding.toLowerCase() === 'chunked') return undefined;
  // Node removes the chunking and would pass on the content as it is, compressed or not.
  return new GatewayError('invalid_value', 'The only supported Transfer-Encoding is chunked.', { status: 501 });
}

export const connectRefused = new GatewayError('method_not_allowed', 'CONNECT is not served here.');
export const unsupportedExpect = new GatewayError('invalid_value', 'The only supported Expect is 100-continue.', {
  status: 417,
});

/** @returns the error for bytes that Node could not parse as a request */
export function parseFailure({ code }: NodeJS.ErrnoException): GatewayError {
  if (code === 'HPE_HEADER_OVERFLOW') return tooManyHeaders();
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new GatewayError('request_timeout', 'The request did not arrive in time.');
  }
  return new GatewayError('invalid_value', 'This is not a request of HTTP/1.1.');
}

function tooManyHeaders(): GatewayError {
  return new GatewayError('request_too_large', 'The head of the request is too large.', { status: 431 });
}

/** Renders the answer to a request that cannot be parsed; without an error, the target or Host header is malformed. */
export type Refuse = (error?: GatewayError) => Response;

/** Called for each request that is refused, with the address of its connection. */
export type OnRefused = (address: string | undefined, error: GatewayError) => void;

/** Sends the last response on a connection. Nothing is read after bytes that could be parsed in two ways. */
export class BadRequestResponder {
  readonly #refuse: Refuse;
  readonly #onRefused: OnRefused;
  /** Node may report more than one fault for the same bytes. */
  readonly #refused = new WeakSet<Socket>();

  constructor(refuse: Refuse, onRefused: OnRefused = () => undefined) {
    this.#refuse = refuse;
    this.#onRefused = onRefused;
  }

  /** Answers what Node parsed as a request. */
  async answer(outgoing: ServerResponse, error: GatewayError): Promise<void> {
    this.#add(outgoing.req.socket, error);
    const { status, headers, body } = await read(this.#refuse(error));
    outgoing.writeHead(status, headers).end(body);
  }

  /** Answers bytes that Node could not parse. */
  async end(socket: Socket, error: GatewayError): Promise<void> {
    if (this.#refused.has(socket)) return;
    this.#add(socket, error);
    socket.on('error', () => socket.destroy());
    const { status, headers, body } = await read(this.#refuse(error));
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
    socket.destroySoon();
  }

  #add(socket: Socket, error: GatewayError): void {
    this.#refused.add(socket);
    this.#onRefused(addressOfPeer({ socket }), error);
  }
}

async function read(response: Response): Promise<{ status: number; headers: Record<string, string>; body: string }> {
  const body = await response.text();
  const headers = {
    ...Object.fromEntries(response.headers),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  return { status: response.status, headers, body };
}
