import { type RequestListener, type Server, type ServerOptions, createServer } from 'node:http';
import { Server as TlsServer, createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { Serve } from './connection.ts';
import type { Connections } from './connections.ts';

/** A certificate chain and its private key in PEM, and the oldest version of TLS that clients may use. */
export type Certificate = Required<Pick<TlsOptions, 'cert' | 'key' | 'minVersion'>>;

/** Creates a server for HTTP, or for HTTPS if there is a certificate. Either speaks HTTP/1.1 only. */
export function createHttpServer(
  options: ServerOptions,
  certificate: Certificate | undefined,
  onRequest: RequestListener,
): Server {
  if (certificate === undefined) return createServer(options, onRequest);
  const { headersTimeout: handshakeTimeout } = options;
  const server = createTlsServer(
    { ...options, ...certificate, ...(handshakeTimeout !== undefined && { handshakeTimeout }) },
    onRequest,
  );
  // Node's own listener would have the failure answered, in plain text, over a connection that was never secured.
  server.removeAllListeners('tlsClientError');
  server.on('tlsClientError', (_, socket) => socket.destroy());
  return server;
}

/** Adds the connections of a server to `connections`: those of clients, and those that are not secured yet. */
export function trackConnections(server: Server, connections: Connections, serve: Serve): void {
  server.on('checkExpectation', ({ socket }) => connections.stopReading(socket));
  server.on('connect', (_, socket: Socket) => connections.stopReading(socket));
  server.on('clientError', (_, socket: Socket) => connections.stopReading(socket));
  if (!(server instanceof TlsServer)) {
    server.on('connection', (socket: Socket) => connections.add(socket, serve));
    return;
  }
  // Node secures a connection with another socket than the one that it accepted. Their peer tells that they belong together.
  const unsecured = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    connections.add(socket);
    unsecured.set(peer, socket);
    socket.once('close', () => {
      if (unsecured.get(peer) === socket) unsecured.delete(peer);
    });
  });
  server.on('secureConnection', (secured: Socket) => {
    const accepted = unsecured.get(peerOf(secured));
    unsecured.delete(peerOf(secured));
    connections.secure(accepted, secured, serve);
  });
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
