import type { GatewayError } from '../errors.ts';
import type { ChatEvent, Emit, FinishEvent, Frame } from './event.ts';
import type { SearchEvent } from './search.ts';

/**
 * Turns the bytes of a backend's answer into events, which it gives to the `Emit` it was made with. Synchronous, no I/O.
 *
 * @throws {GatewayError} from `push` for an error that the backend put into its stream and for bytes that are not its
 *   protocol; from `end` when the answer stopped before its own end mark.
 */
export interface Decoder {
  push(bytes: Buffer): void;
  end(): void;
}

/** Makes the decoder of one choice. */
export type DecoderMaker = (emit: Emit) => Decoder;

/**
 * Turns events into the text of a client's stream. Each method returns the text to send, '' for none. Synchronous, no
 * I/O. An answer may have several choices, each with its own events.
 *
 * An attempt that fails before any text is repeated with the same encoder: a `write` that returns '' and `fail` change
 * nothing that a later text depends on.
 */
export interface Encoder {
  write(event: ChatEvent, choice: number): string;
  /** The frame for the next texts of a choice; undefined, or no method, when each needs more than a frame. */
  frame?(choice: number): Frame | undefined;
  /** Called once, after the last event of every choice. */
  end(total: TotalUsage): string;
  /** Called instead of `end` when the answer broke: the client must not take it for a complete one. */
  fail(error: GatewayError): string;
  /**
   * Returns events without content, for clients that give up when no event comes for a while: they do not count comments.
   * The first one may be the start of the stream, before anything is known of the answer. Absent for formats without room
   * for such events.
   */
  keepAlive?(): string;
  /** Writes a part of a web search that llamaduct runs. Absent for formats that have no place for it. */
  search?(event: SearchEvent): string;
  /** True when the texts of an answer that searches are one text to the client. */
  readonly joinsTurns?: boolean;
  /**
   * Formats a remark about the answer, such as the place in the queue, as an event without content. Absent: it becomes a comment
   * of SSE, which the SDKs of some APIs cannot skip.
   */
  comment?(text: string): string;
  /**
   * True when some clients ignore what `fail` returns, so that the connection has to be broken after it. Absent: the stream ends
   * cleanly.
   */
  readonly breaksConnection?: boolean;
  /**
   * Formats the error of `fail` once more, for SDKs that look for one only in an HTTP chunk of its own: it is sent as such a chunk
   * before the connection is broken. Absent: no SDK needs it.
   */
  failApart?(error: GatewayError): string;
}

/** A backend's counts and durations, over all choices of an answer. */
export type TotalUsage = Pick<FinishEvent, 'usage' | 'timings'>;

/** Observes a backend's answer that is passed through unchanged. */
export interface UsageObserver {
  push(bytes: Buffer): void;
  /** @returns the backend's counts if it reported them, and how the answer ended */
  end(): { readonly finish?: TotalUsage; readonly outcome: StreamOutcome };
}

/** The end of a passed-through answer: complete, with the backend's error, or before its end mark. */
export type StreamOutcome = 'complete' | 'failed' | 'incomplete';
