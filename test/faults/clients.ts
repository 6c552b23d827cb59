import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { secret } from '../helpers/gateway.ts';
import type { Bench } from './bench.ts';

/** A client on a plain socket, which sends and reads as it likes. */
export interface Client extends Disposable {
  readonly socket: Socket;
  /** What has come to it. */
  readonly text: () => string;
  readonly closed: () => boolean;
  /** Sends these bytes one at a time, so many milliseconds apart, until they are sent or nobody takes them. */
  drip(bytes: string, every: number): Promise<void>;
}

/** Connects. @param reads whether it takes what comes, which it may begin later: `socket.resume()` */
export async function client({ gateway }: Bench, reads = true): Promise<Client> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const pieces: Buffer[] = [];
  let closed = false;
  socket.on('error', () => undefined);
  socket.once('close', () => (closed = true));
  socket.on('data', (bytes: Buffer) => pieces.push(bytes));
  if (!reads) socket.pause();
  await once(socket, 'connect');
  return {
    socket,
    text: () => Buffer.concat(pieces).toString('latin1'),
    closed: () => closed,
    async drip(bytes, every) {
      for (const byte of bytes) {
        if (closed) return;
        socket.write(byte);
        await new Promise((resolve) => {
          setTimeout(resolve, every);
        });
      }
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** A request in the bench's dialect, as text: its head, and its body. */
export function requestOf({ dialect }: Bench, stream: boolean): { head: string; body: string } {
  const body = JSON.stringify({ ...dialect.body, stream });
  const fields = [
    `POST ${dialect.path} HTTP/1.1`,
    'host: llamaduct',
    `authorization: Bearer ${secret}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return { head: `${fields.join('\r\n')}\r\n\r\n`, body };
}
