import { type Socket, connect } from 'node:net';
import { messageReader } from './message-reader.ts';
import { microseconds } from './model.ts';

/** Receives one response. */
export interface ResponseHandler {
  head(status: number): void;
  /** @param text a chunk of the body as Latin-1 @param now microsecond at which it was read */
  body(text: string, now: number): void;
}

/** A client with one keep-alive connection. */
export interface Client {
  /**
   * Sends a request and reads the response to its end.
   *
   * @param deadline milliseconds on the clock of `performance.now()`
   * @throws {Error} when the connection breaks or the deadline passes, and what `handler` throws
   */
  send(request: Buffer, handler: ResponseHandler, deadline: number): Promise<void>;
  close(): void;
}

interface Exchange {
  readonly handler: ResponseHandler;
  resolve(): void;
  reject(error: Error): void;
}

// Shared by all connections: each read is consumed before the next.
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

/** Creates a client that connects at its first request, and again after its connection was closed. */
export function createClient(port: number): Client {
  let socket: Socket | undefined;
  let exchange: Exchange | undefined;

  const fail = (error: Error): void => {
    socket?.destroy();
    socket = undefined;
    const failed = exchange;
    exchange = undefined;
    failed?.reject(error);
  };
  const open = (): Socket => {
    let now = 0;
    let keepAlive = true;
    const reader = messageReader({
      head: (text) => {
        keepAlive = !/\r\nconnection:[ \t]*close/i.test(text);
        exchange?.handler.head(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]));
      },
      body: (text) => exchange?.handler.body(text, now),
      end: () => {
        const ended = exchange;
        exchange = undefined;
        if (!keepAlive) {
          socket?.destroy();
          socket = undefined;
        }
        ended?.resolve();
      },
    });
    const read = (size: number): boolean => {
      now = microseconds();
      try {
        reader.push(buffer.toString('latin1', 0, size));
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
      }
      return true;
    };
    const opened = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback: read } });
    opened.on('error', (error) => opened === socket && fail(error));
    opened.on('close', () => {
      if (opened !== socket) return;
      if (reader.close() || exchange !== undefined)
        fail(new Error('the connection closed before the end of the response'));
      socket = undefined;
    });
    return opened;
  };
  return {
    async send(request, handler, deadline) {
      const response = new Promise<void>((resolve, reject) => {
        exchange = { handler, resolve, reject };
      });
      const timer = setTimeout(() => fail(new Error('timed out')), deadline - performance.now());
      socket ??= open();
      socket.write(request);
      try {
        await response;
      } finally {
        clearTimeout(timer);
      }
    },
    close() {
      const closed = socket;
      socket = undefined;
      closed?.destroy();
    },
  };
}
