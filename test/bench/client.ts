import { type Socket, connect } from 'node:net';
import { messageReader } from './message-reader.ts';
import { microseconds } from './model.ts';

/** Told of one answer. */
export interface Answer {
  head(status: number): void;
  /** A piece, Latin-1, and the microsecond it came at. */
  body(text: string, now: number): void;
}

/** One kept connection of one client. */
export interface Client {
  /**
   * Asks, and reads the answer to its end.
   * @throws Error if the connection breaks, if it takes longer than until `deadline`, or what `answer` throws
   */
  ask(request: Buffer, answer: Answer, deadline: number): Promise<void>;
  close(): void;
}

interface Exchange {
  readonly answer: Answer;
  resolve(): void;
  reject(error: Error): void;
}

// One for all: it is read before the next read.
const buffer = Buffer.allocUnsafeSlow(256 * 1024);

/** Connects when it first asks, and again after its connection ended. */
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
    let kept = true;
    const reader = messageReader({
      head: (text) => {
        kept = !/\r\nconnection:[ \t]*close/i.test(text);
        exchange?.answer.head(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]));
      },
      body: (text) => exchange?.answer.body(text, now),
      end: () => {
        const ended = exchange;
        exchange = undefined;
        if (!kept) {
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
      if (reader.close() || exchange !== undefined) fail(new Error('the connection ended before the answer'));
      socket = undefined;
    });
    return opened;
  };
  return {
    async ask(request, answer, deadline) {
      const asked = new Promise<void>((resolve, reject) => {
        exchange = { answer, resolve, reject };
      });
      const late = setTimeout(() => fail(new Error('it took too long')), deadline - performance.now());
      socket ??= open();
      socket.write(request);
      try {
        await asked;
      } finally {
        clearTimeout(late);
      }
    },
    close() {
      const closed = socket;
      socket = undefined;
      closed?.destroy();
    },
  };
}
