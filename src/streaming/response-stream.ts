import type { GatewayError } from '../errors.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';

/** The upstream bodies of an answer, as sinks read them. */
export type Bodies = Pick<MergedBodies, 'read' | 'pause' | 'resume' | 'close'>;

/** An answer to stream: the upstream bodies it reads from, and how their chunks become bytes for the client. */
export interface ResponseStream {
  readonly bodies: Bodies;
  /** Writes what has arrived so far. */
  start(sink: Sink): void;
  /** Writes what a chunk becomes, and ends the sink after the last one. */
  write(chunk: Chunk, sink: Sink): void;
  /** @returns something without content that can be sent now, so that no idle timer ends the stream; '' if nothing can */
  keepAlive(): string;
}

/** Takes the bytes of one answer, and ends its exchange. Calls after its end do nothing. */
export interface Sink {
  /** False while the client reads more slowly than the answer comes. */
  readonly ready: boolean;
  write(data: string | Uint8Array): void;
  /** Ends the answer. @param error the failure that the answer reports in its own format, if it failed */
  end(error?: GatewayError): void;
  /**
   * Breaks the connection, because a clean end would look like a complete answer.
   *
   * @param apart text that the client must read alone: it is written `readTime` after the rest, and as long before the break
   */
  abort(error: GatewayError, apart?: string): void;
}

/**
 * Milliseconds for a client to read what is written. `fetch` joins what arrives before it is read, and drops what is unread when
 * the connection breaks.
 */
export const readTime = 100;

/** A sink that an answer can be piped into. Nothing else writes answers to clients. */
export interface ResponseSink extends Sink {
  /** True if something was written since it was set to false. */
  written: boolean;
  pipe(stream: ResponseStream): void;
}
