import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of a connection that may wait for the answer to the one before. Hardly any client sends more than one at a time. */
const maxWaiting = 8;
/** Pieces of the bytes that arrived at once which end with the head of a request, and bytes of each piece after them. */
const maxHeads = 2 * maxWaiting;
const pieceLength = 4_096;

const headEnd = Buffer.from('\r\n\r\n');

/** Answers one request. */
export type Serve = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

type Waiting = Parameters<Serve>;

/**
 * A client's connection. Its requests are served one after the other, and their number is bounded. Without that, bytes that
 * arrive at once can hold thousands of requests, each of which costs more than a thousand times its bytes.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #serve: Serve;
  readonly #waiting: Waiting[] = [];
  /** The answer that is made or sent. */
  #current: ServerResponse | undefined;
  #isUsed = false;
  /** True once no more of its bytes are parsed. */
  #stopped = false;

  constructor(socket: Socket, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    this.#parseInPieces();
  }

  /** True while it can be closed without loss: it waits for a request, or for the client to read a refusal. */
  get isIdle(): boolean {
    return this.#current === undefined || isRefusal(this.#current);
  }

  /** True once it has sent a request. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /**
   * Serves a request when the one before is answered. If that is a refusal, the connection is closed; if too many wait, it is
   * closed after their answers.
   */
  add(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (this.#stopped) return;
    this.#isUsed = true;
    if (this.#current === undefined) this.#begin(incoming, outgoing);
    else if (isRefusal(this.#current)) this.#close();
    else if (this.#waiting.length < maxWaiting) this.#waiting.push([incoming, outgoing]);
    else this.stop();
  }

  /** Parses no more of what the client sends. The connection is closed when the requests that it has sent are answered. */
  stop(): void {
    this.#stopped = true;
  }

  #close(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    this.#socket.destroy();
  }

  #begin(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.#current = outgoing;
    outgoing.once('close', () => this.#onAnswered(outgoing));
    this.#serve(incoming, outgoing);
  }

  #onAnswered(outgoing: ServerResponse): void {
    this.#current = undefined;
    const next = this.#waiting.shift();
    if (next !== undefined && !isRefusal(outgoing) && this.#socket.writable) this.#begin(...next);
    else if (next !== undefined || this.#stopped) this.#close();
  }

  /**
   * Has Node's parser get what arrives in pieces with one request each, because nothing can stop the parser within a piece.
   * Only the listener that Node has put on the socket is replaced. In what most clients send there is nothing to split.
   */
  #parseInPieces(): void {
    const [parse] = this.#socket.listeners('data') as ((bytes: Buffer) => void)[];
    if (parse === undefined) return;
    this.#socket.removeListener('data', parse);
    this.#socket.on('data', (bytes: Buffer) => {
      if (this.#stopped) return;
      const end = bytes.indexOf(headEnd) + headEnd.length;
      const isSplit = end >= headEnd.length && bytes.includes(headEnd, end);
      if (isSplit) this.#parsePieces(bytes, parse);
      else parse.call(this.#socket, bytes);
    });
  }

  #parsePieces(bytes: Buffer, parse: (bytes: Buffer) => void): void {
    let [start, pieces] = [0, 0];
    while (start < bytes.length && !this.#stopped && !this.#socket.destroyed) {
      // Node has paused the socket until the client reads.
      if (this.#socket.isPaused()) return this.#socket.unshift(bytes.subarray(start));
      const end = pieces < maxHeads ? endOfHead(bytes, start) : start + pieceLength;
      parse.call(this.#socket, bytes.subarray(start, end));
      start = end;
      pieces += 1;
    }
  }
}

/** True for an answer that refuses its request and is written, whether or not the client has read it. */
function isRefusal({ statusCode, writableEnded }: ServerResponse): boolean {
  return statusCode >= 400 && writableEnded;
}

function endOfHead(bytes: Buffer, start: number): number {
  const at = bytes.indexOf(headEnd, start);
  return at === -1 ? bytes.length : at + headEnd.length;
}
