import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type HttpBindings, getRequestListener } from '@hono/node-server';
import type { Address } from '../config/schema.ts';

type Fetch = (request: Request, bindings: HttpBindings) => Response | Promise<Response>;

/** Milliseconds. Bodies have a deadline of their own, and an upload of a model may take hours. */
const timeouts = { headersTimeout: 20_000, requestTimeout: 0, keepAliveTimeout: 65_000 };
/** Milliseconds between looks for connections whose last answer has just ended. */
const sweepEvery = 50;
/** Milliseconds for the last bytes of answers to be taken. */
const lastBytes = 1_000;

/** An HTTP server on one address. */
export interface Listener {
  /** As it is bound: port 0 has become a real one. */
  readonly url: string;
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
 * @param refuse answers a request whose target or Host header cannot be read
 * @param patience milliseconds until a client is cut off that takes nothing of what is sent to it: its answer holds a turn
 *   at the upstream; 0 for never
 * @throws {Error} of `listen`, for example EADDRINUSE
 */
export async function listen(
  fetch: Fetch,
  { host, port }: Address,
  refuse: () => Response,
  patience = 0,
): Promise<Listener> {
  const listener = getRequestListener(fetch as Parameters<typeof getRequestListener>[0], { errorHandler: refuse });
  const connections = new Set<Socket>();
  const answers = new Set<ServerResponse>();
  const server = createServer(timeouts, (incoming, outgoing) => {
    track(answers, outgoing);
    // It hears of silence in both directions: of a model that thinks, too.
    outgoing.setTimeout(patience, () => {
      if (outgoing.writableLength > 0) outgoing.destroy();
    });
    void listener(incoming, outgoing);
  });
  server.on('connection', (socket) => track(connections, socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  /** Not closeIdleConnections: to it a connection is not idle that has sent nothing yet, or part of a request's head. */
  const closeUnused = (): void => {
    const used = new Set([...answers].map(({ req }) => req.socket));
    for (const socket of connections) if (!used.has(socket)) socket.destroy();
  };
  return {
    url: urlOf(server),
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

/** Keeps `item` in `items` until it closes. */
function track<T extends Socket | ServerResponse>(items: Set<T>, item: T): void {
  items.add(item);
  item.once('close', () => items.delete(item));
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
