import { once } from 'node:events';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type HttpBindings, getRequestListener } from '@hono/node-server';
import type { Address } from '../config/schema.ts';
import { SwapList } from '../swap-list.ts';
import { bind } from './bind.ts';
import { type ConnectionLimits, Connections } from './connections.ts';
import {
  type OnRefused,
  type Refuse,
  BadRequestResponder,
  headFault,
  hasBody,
  maxHeaders,
  connectRefused,
  unsupportedExpect,
  parseFailure,
} from './malformed.ts';
import { type Certificate, createHttpServer, trackConnections } from './tls-server.ts';

type Fetch = (request: Request, bindings: HttpBindings) => Response | Promise<Response>;

/**
 * Bytes and milliseconds. There is no request timeout, because bodies have a deadline of their own, and the upload of a model
 * may take hours. A connection that sends no complete request head in time is closed, even if it sends nothing at all.
 */
const defaults = {
  headersTimeout: 20_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  // Node's own answer to a missing Host header is not JSON.
  requireHostHeader: false,
  // Node's default of 30 s would let a slow head exceed its timeout by as much.
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
};
/** Milliseconds between checks for connections that became idle during shutdown. */
const sweepInterval = 50;
/** Milliseconds that clients have to read the last bytes of their answers. */
const lastBytesTimeout = 1_000;

export interface ListenOptions extends ConnectionLimits {
  /**
   * Milliseconds after which a client that reads nothing of its answer is disconnected, because the answer holds a slot of
   * the upstream. Absent or 0: never.
   */
  readonly sendTimeout?: number;
  /** Milliseconds for a request head, between checks for heads that take longer, and until an idle connection is closed. */
  readonly timeouts?: Partial<
    Pick<typeof defaults, 'headersTimeout' | 'connectionsCheckingInterval' | 'keepAliveTimeout'>
  >;
  /** Serves HTTPS with this certificate. Absent: plain HTTP. */
  readonly certificate?: Certificate | undefined;
  /** Called for each request that cannot be parsed. */
  readonly onMalformed?: OnRefused;
  /** Permissions of a Unix socket. Absent: for the owner and the group. */
  readonly socketMode?: number;
}

/** An HTTP server on one address. */
export interface Listener {
  /** The bound address; port 0 is replaced by the real one. `unix:/PATH` for a Unix socket. */
  readonly url: string;
  /** Replaces timeouts and limits of connections. What is being sent keeps its timeout. */
  use(this: void, options: Pick<ListenOptions, 'sendTimeout' | 'timeouts' | keyof ConnectionLimits>): void;
  /** Serves new connections with another certificate. */
  useCertificate(this: void, certificate: Certificate): void;
  /** Keeps serving, but sends `Connection: close`, so that a load balancer moves clients to other instances. */
  drain(): void;
  /**
   * Stops accepting connections, and resolves when the last answer has ended.
   *
   * @param grace milliseconds for running answers; a client that has not read its answer one second later is disconnected
   */
  close(grace: number): Promise<void>;
}

/**
 * Serves HTTP.
 *
 * @param refuse renders the answer to a request that cannot be parsed; called without an error if the request target or the
 *   Host header is malformed
 * @throws {Error} of `listen`, for example EADDRINUSE
 */
export async function listen(
  fetch: Fetch,
  address: Address,
  refuse: Refuse,
  options: ListenOptions = {},
): Promise<Listener> {
  const { timeouts, certificate, socketMode = 0o660 } = options;
  let { sendTimeout = 0 } = options;
  const listener = getRequestListener(fetch as Parameters<typeof getRequestListener>[0], {
    errorHandler: () => refuse(),
    // HTTP/1.0 has no Host header.
    hostname: 'localhost',
  });
  const connections = new Connections(options);
  const answers = new SwapList<ServerResponse>();
  const refusals = new BadRequestResponder(refuse, options.onMalformed);
  let draining = false;
  const serve: RequestListener = (incoming, outgoing) => {
    const entry = answers.add(outgoing);
    outgoing.once('close', () => answers.remove(entry));
    if (draining) outgoing.setHeader('connection', 'close');
    // The timeout also fires while a model thinks and nothing is sent.
    outgoing.setTimeout(sendTimeout, () => {
      if (outgoing.writableLength > 0) outgoing.destroy();
    });
    const fault = headFault(incoming);
    // The body of a GET is not read, however long it is, so the connection cannot be reused.
    if ((incoming.method === 'GET' || incoming.method === 'HEAD') && hasBody(incoming))
      outgoing.setHeader('connection', 'close');
    if (fault === undefined) void listener(incoming, outgoing);
    else void refusals.answer(outgoing, fault);
  };
  const server = createHttpServer({ ...defaults, ...timeouts }, certificate, (incoming, outgoing) => {
    connections.onRequest(incoming, outgoing);
  });
  // One more than the limit, so that an excess is noticed: Node drops further headers silently.
  server.maxHeadersCount = maxHeaders + 1;
  trackConnections(server, connections, serve);
  refuseUnreadable(server, refusals, answers);
  await bind(server, address, socketMode);
  /** Unlike closeIdleConnections, this closes connections that have sent nothing yet, or only part of a request head. */
  const closeUnused = (): void => {
    const used = new Set(answers.items.map(({ req }) => req.socket));
    for (const socket of connections.sockets) if (!used.has(socket)) socket.destroy();
  };
  return {
    url: urlOf(server),
    use(changed) {
      sendTimeout = changed.sendTimeout ?? 0;
      server.keepAliveTimeout = changed.timeouts?.keepAliveTimeout ?? defaults.keepAliveTimeout;
      connections.use(changed);
    },
    useCertificate(renewed) {
      if (server instanceof TlsServer) server.setSecureContext(renewed);
    },
    drain() {
      draining = true;
      for (const answer of answers.items) if (!answer.headersSent) answer.setHeader('connection', 'close');
    },
    close: async (grace) => await closeServer(server, closeUnused, grace),
  };
}

async function closeServer(server: Server, closeUnused: () => void, grace: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const sweep = setInterval(closeUnused, sweepInterval);
  const cut = setTimeout(() => server.closeAllConnections(), grace + lastBytesTimeout);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}

/** Answers requests that Node would answer without a body, or not at all. */
function refuseUnreadable(server: Server, refusals: BadRequestResponder, answers: SwapList<ServerResponse>): void {
  server.on('checkExpectation', (_, outgoing: ServerResponse) => void refusals.answer(outgoing, unsupportedExpect));
  server.on('connect', (_, socket: Socket) => void refusals.end(socket, connectRefused));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // An error response cannot be sent in the middle of an answer.
    const begun = answers.items.some(({ req, headersSent }) => req.socket === socket && headersSent);
    if (begun || !socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else void refusals.end(socket, parseFailure(error));
  });
}

function urlOf(server: Server): string {
  const bound = server.address() as AddressInfo | string;
  if (typeof bound === 'string') return `unix:${bound}`;
  const { address, family, port } = bound;
  const scheme = server instanceof TlsServer ? 'https' : 'http';
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
