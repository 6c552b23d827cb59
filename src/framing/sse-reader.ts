import { createParser } from 'eventsource-parser';
import { GatewayError } from '../errors.ts';

/**
 * Reads the events of an SSE stream from bytes, whatever way they were cut. Events without data are skipped.
 *
 * @throws {GatewayError} `upstream_protocol_error` from `push` for an event of more than `maxBytes`, counted in UTF-16
 *   units, of which there are never more than bytes
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class SseReader {
  /** Takes off a byte order mark, and keeps a character that was cut in two. */
  readonly #text = new TextDecoder();
  readonly #feed: (text: string) => void;

  /** @param onData gets an event's data, and its name where it has one */
  constructor(maxBytes: number, onData: (data: string, event?: string) => void) {
    const check = (length: number): void => {
      if (length > maxBytes) throw tooLarge(maxBytes);
    };
    const parser = createParser({
      // It counts a line with its field's name.
      maxBufferSize: maxBytes + 'event: '.length,
      onEvent({ data, event }) {
        // The parser's own limit is for what waits for its end, not for what arrives whole.
        check(data.length);
        if (data !== '') onData(data, event);
      },
      onError({ type, field, value = '' }) {
        if (type === 'max-buffer-size-exceeded') throw tooLarge(maxBytes);
        // No field of SSE, but the one in which some servers tell of a failure.
        if (type !== 'unknown-field' || field !== 'error') return;
        check(value.length);
        onData(value, field);
      },
    });
    this.#feed = (text) => parser.feed(text);
  }

  push(bytes: Uint8Array): void {
    this.#feed(this.#text.decode(bytes, { stream: true }));
  }

  /** Takes what is left as the last event: the blank line after it is optional, unlike in the standard. */
  end(): void {
    this.#feed(`${this.#text.decode()}\n\n`);
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('upstream_protocol_error', `The upstream sent an event of more than ${maxBytes} bytes.`);
}
