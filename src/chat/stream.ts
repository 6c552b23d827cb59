import type { GatewayError } from '../errors.ts';
import type { ChatEvent, Emit, FinishEvent, Frame } from './event.ts';

/**
 * Bytes of a backend's answer -> events, handed to the function the decoder was made with. Synchronous, no I/O.
 *
 * @throws {GatewayError} from `push` for an error the backend put into its stream and for bytes that are not its
 *   protocol; from `end` when the answer stopped before its own end mark.
 */
export interface Decoder {
  push(bytes: Buffer): void;
  end(): void;
}

/** Makes the decoder of one choice, given where its events go. */
export type DecoderMaker = (emit: Emit) => Decoder;

/**
 * Events -> the text of a client's stream. Each method returns what to send, '' for nothing. Synchronous, no I/O.
 * An answer may consist of several choices, each with events of its own.
 */
export interface Encoder {
  write(event: ChatEvent, choice: number): string;
  /** What the next texts of a choice stand in, where each that has nothing else is written in the same way. */
  frame?(choice: number): Frame | undefined;
  /** After the last event of every choice. */
  end(total: TotalUsage): string;
  /** Instead of `end`, when the answer broke: the client must not take it for a whole one. */
  fail(error: GatewayError): string;
}

/** What a backend counted, over all choices. */
export type TotalUsage = Pick<FinishEvent, 'usage' | 'timings'>;

/** Reads along an answer of a backend that is relayed untouched. */
export interface UsageObserver {
  push(bytes: Buffer): void;
  /** What the backend counted, where it told, and whether the answer ended well, in an error, or before its end. */
  end(): { readonly finish?: TotalUsage; readonly outcome: StreamOutcome };
}

export type StreamOutcome = 'complete' | 'failed' | 'incomplete';
