import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type HttpBindings, getRequestListener } from '@hono/node-server';
import type { Address } from '../config/schema.ts';
import { SwapList } from '../swap-list.ts';
import {
  type Refuse,
  BadRequestResponder,
  headFault,
  hasBody,
  maxHeaders,
  connectRefused,
  unsupportedExpect,
  parseFailure,
} from './malformed.ts';

type Fetch = (request: Request, bindings: HttpBindings) => Response | Promise<Response>;

/**
 * Bytes and milliseconds. Bodies have a deadline of their own, and an upload of a model may take hours. A connection on
 * which no head of a request is complete in time is closed, be it that nothing comes at all.
 */
const defaults = {
  headersTimeout: 20_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  // What Node says of a missing one is not JSON.
  requireHostHeader: false,
  // Half a minute otherwise, in which a slow head may stay beyond its time.
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
};
/** Milliseconds between looks for connections whose last answer has just ended. */
const sweepEvery = 50;
/** Milliseconds for the last bytes of answers to be taken. */
const lastBytes = 1_000;

/** What a listener need not be told. */
export interface ListenOptions {
  /**
   * Milliseconds until a client is cut off that takes nothing of what is sent to it: its answer holds a turn at the
   * upstream. Absent or 0: never.
   */
  readonly sendTimeout?: number;
  /** Connections at a time; one more is closed at once. Absent: any number. */
  readonly connections?: number;
  /** Hears of each connection that was one too many. */
  readonly onDropped?: () => void;
  /** Milliseconds for the head of a request, and between looks for those that take longer. */
  readonly timeouts?: Partial<Pick<typeof defaults, 'headersTimeout' | 'connectionsCheckingInterval'>>;
}

/** An HTTP server on one address. */
export interface Listener {
  /** As it is bound: port 0 has become a real one. */
  readonly url: string;
  /** Goes on serving, but asks clients to come back on other connections: a load balancer leads those elsewhere. */
  drain(): void;
  /**
   * Accepts nothing new; resolves when the last answer has ended.
   *
   * @param grace milliseconds for the answers; soon after it whoever does not take the rest of one is cut off
   */
  close(grace: number): Promise<void>;
}

/**
 * Serves HTTP.
 *
 * @param refuse answers a request that cannot be read: with the error, or without one where its target or Host header is
 *   malformed
 * @throws {Error} of `listen`, for example EADDRINUSE
 */
export async function listen(
  fetch: Fetch,
  { host, port }: Address,
  refuse: Refuse,
  { sendTimeout = 0, connections: maxConnections, onDropped, timeouts }: ListenOptions = {},
): Promise<Listener> {
  const listener = getRequestListener(fetch as Parameters<typeof getRequestListener>[0], {
    errorHandler: () => refuse(),
  });
  const connections = new Set<Socket>();
  const answers = new SwapList<ServerResponse>();
  const refusals = new BadRequestResponder(refuse);
  let draining = false;
  const server = createServer({ ...defaults, ...timeouts }, (incoming, outgoing) => {
    const held = answers.add(outgoing);
    outgoing.once('close', () => answers.remove(held));
    if (draining) outgoing.setHeader('connection', 'close');
    // It hears of silence in both directions: of a model that thinks, too.
    outgoing.setTimeout(sendTimeout, () => {
      if (outgoing.writableLength > 0) outgoing.destroy();
    });
    const fault = headFault(incoming);
    // Nobody reads the body of a GET, and there may be any amount of it.
    if ((incoming.method === 'GET' || incoming.method === 'HEAD') && hasBody(incoming))
      outgoing.setHeader('connection', 'close');
    if (fault === undefined) void listener(incoming, outgoing);
    else void refusals.answer(outgoing, fault);
  });
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  if (onDropped !== undefined) server.on('drop', onDropped);
  // One more, so that one too many is seen: Node leaves the rest out without a word.
  server.maxHeadersCount = maxHeaders + 1;
  server.on('connection', (socket) => track(connections, socket));
  refuseUnreadable(server, refusals, answers);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  /** Not closeIdleConnections: to it a connection is not idle that has sent nothing yet, or part of a request's head. */
  const closeUnused = (): void => {
    const used = new Set(answers.items.map(({ req }) => req.socket));
    for (const socket of connections) if (!used.has(socket)) socket.destroy();
  };
  return {
    url: urlOf(server),
    drain() {
      draining = true;
      for (const answer of answers.items) if (!answer.headersSent) answer.setHeader('connection', 'close');
    },
    async close(grace) {
      const closed = once(server, 'close');
      server.close();
      const sweep = setInterval(closeUnused, sweepEvery);
      const cut = setTimeout(() => server.closeAllConnections(), grace + lastBytes);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

/** Answers what Node would answer without a body, or not at all. */
function refuseUnreadable(server: Server, refusals: BadRequestResponder, answers: SwapList<ServerResponse>): void {
  server.on('checkExpectation', (_, outgoing: ServerResponse) => void refusals.answer(outgoing, unsupportedExpect));
  server.on('connect', (_, socket: Socket) => void refusals.end(socket, connectRefused));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // Into the middle of an answer nothing else can be said.
    const begun = answers.items.some(({ req, headersSent }) => req.socket === socket && headersSent);
    if (begun || !socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else void refusals.end(socket, parseFailure(error));
  });
}

/** Keeps a socket in `sockets` until it closes. */
function track(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
