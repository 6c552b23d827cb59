import { GatewayError } from '../errors.ts';
import { BoundedBytes } from '../framing/bounded-bytes.ts';
import { LineSplitter, splitLines } from '../framing/ndjson.ts';

/** Changes an answer that is passed through. Synchronous. */
export interface AnswerFilter {
  /** @returns the filtered text, which may be empty. @throws {GatewayError} for an answer that is not valid */
  push(bytes: Buffer): string;
  /** @returns the rest of the filtered text. @throws {GatewayError} for an answer that is not valid */
  end(): string;
}

/**
 * Filters an NDJSON stream.
 *
 * @param change returns the new line; '' to drop it
 * @param maxBytes the limit for one line
 */
export function filterLines(change: (json: string) => string, maxBytes: number): AnswerFilter {
  let out = '';
  let failure: unknown;
  const splitter = new LineSplitter(maxBytes, (lines) => {
    for (const line of splitLines(lines.toString('utf8'))) {
      const changed = change(line);
      if (changed !== '') out += `${changed}\n`;
    }
  });
  /** Returns the lines before one that fails first: the next call throws the failure. */
  const readAndTake = (read: () => void): string => {
    if (failure !== undefined) throw failure;
    try {
      read();
    } catch (error) {
      failure = error;
      if (out === '') throw error;
    }
    const taken = out;
    out = '';
    return taken;
  };
  return {
    push: (bytes) => readAndTake(() => splitter.push(bytes)),
    end: () => readAndTake(() => splitter.end()),
  };
}

/** Filters an answer that is not streamed. @param maxBytes the limit for the answer */
export function filterWhole(change: (json: string) => string, maxBytes: number): AnswerFilter {
  const collected = new BoundedBytes(maxBytes);
  return {
    push(bytes) {
      if (collected.add(bytes)) return '';
      throw new GatewayError('upstream_protocol_error', 'The upstream sent an answer that is too large.');
    },
    end: () => change(collected.take().toString('utf8')),
  };
}
