import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { secret } from '../helpers/gateway.ts';
import type { Harness } from './harness.ts';

/** A client on a plain socket. */
export interface RawClient extends Disposable {
  readonly socket: Socket;
  /** @returns everything received so far */
  readonly text: () => string;
  readonly closed: () => boolean;
  /** Sends these bytes one at a time, `interval` milliseconds apart, until all are sent or the connection is closed. */
  drip(bytes: string, interval: number): Promise<void>;
}

/** Connects. @param reads false when the client must not read; it may start with `socket.resume()` */
export async function connectRaw({ gateway }: Harness, reads = true): Promise<RawClient> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on('error', () => undefined);
  socket.once('close', () => (closed = true));
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  if (!reads) socket.pause();
  await once(socket, 'connect');
  return {
    socket,
    text: () => Buffer.concat(chunks).toString('latin1'),
    closed: () => closed,
    async drip(bytes, interval) {
      for (const byte of bytes) {
        if (closed) return;
        socket.write(byte);
        await new Promise((resolve) => {
          setTimeout(resolve, interval);
        });
      }
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** @returns the head and the body of a request in the harness's dialect */
export function requestText({ dialect }: Harness, stream: boolean): { head: string; body: string } {
  const body = JSON.stringify({ ...dialect.body, stream });
  const fields = [
    `POST ${stream ? dialect.path : (dialect.wholePath ?? dialect.path)} HTTP/1.1`,
    'host: llamaduct',
    `authorization: Bearer ${secret}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return { head: `${fields.join('\r\n')}\r\n\r\n`, body };
}
