import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, type Server, type Socket, createServer as createTcpServer } from 'node:net';
import { until } from '../helpers/wait.ts';

export interface Origin extends AsyncDisposable {
  readonly port: number;
  /** Requests, as method, target and headers. */
  readonly requests: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[];
  /** Our side's address of each connection that was ever made. */
  readonly reachedAt: (string | undefined)[];
  /** Connections open now. */
  readonly open: number;
}

export type Answer = (res: ServerResponse, url: string) => void;

/** A web server on every IPv4 loopback address, over TLS when it is given a key. */
export async function origin(answer: Answer, tls?: { key: string; cert: string }): Promise<Origin> {
  const requests: Origin['requests'] = [];
  const listener = (req: IncomingMessage, res: ServerResponse): void => {
    const { method = '', url = '', headers } = req;
    requests.push({ method, url, headers });
    answer(res, url);
  };
  return await listening(tls ? createTlsServer(tls, listener) : createServer(listener), requests);
}

/** A server that accepts connections, reads whatever comes, and gives each to `onSocket`. */
export async function bareOrigin(onSocket: (socket: Socket) => void): Promise<Origin> {
  return await listening(
    createTcpServer((socket) => {
      socket.resume();
      onSocket(socket);
    }),
    [],
  );
}

async function listening(server: Server, requests: Origin['requests']): Promise<Origin> {
  const sockets = new Set<Socket>();
  const reachedAt: Origin['reachedAt'] = [];
  server.on('connection', (socket: Socket) => {
    reachedAt.push(socket.localAddress);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '0.0.0.0', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    reachedAt,
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** Waits until no connection to the server is open any more. */
export async function left(server: Origin): Promise<void> {
  await until('the connection to be closed', () => server.open === 0, 2_000);
}
