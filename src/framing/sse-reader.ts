import { createParser } from 'eventsource-parser';
import { GatewayError } from '../errors.ts';

/**
 * Reads the events of an SSE stream, however its bytes are cut into chunks. Events without data are skipped.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class SseReader {
  /** Removes a byte order mark, and holds a character that is cut in two. */
  readonly #decoder = new TextDecoder();
  readonly #feed: (text: string) => void;

  /**
   * @param maxBytes the limit for one event, in UTF-16 code units, of which there are never more than bytes
   * @param onData is called with an event's data, and its name if it has one
   */
  constructor(maxBytes: number, onData: (data: string, event?: string) => void) {
    const check = (length: number): void => {
      if (length > maxBytes) throw tooLarge(maxBytes);
    };
    const parser = createParser({
      // The parser counts the field's name, too.
      maxBufferSize: maxBytes + 'event: '.length,
      onEvent({ data, event }) {
        // The parser's own limit does not apply to events that arrive whole.
        check(data.length);
        if (data !== '') onData(data, event);
      },
      onError({ type, field, value = '' }) {
        if (type === 'max-buffer-size-exceeded') throw tooLarge(maxBytes);
        // Not a field of SSE, but some servers report errors in it.
        if (type !== 'unknown-field' || field !== 'error') return;
        check(value.length);
        onData(value, field);
      },
    });
    this.#feed = (text) => parser.feed(text);
  }

  /** @throws {GatewayError} `upstream_protocol_error` for an event of more than `maxBytes` */
  push(bytes: Uint8Array): void {
    this.#feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Passes on what is left as the last event. Unlike in the standard, its blank line is optional. */
  end(): void {
    this.#feed(`${this.#decoder.decode()}\n\n`);
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('upstream_protocol_error', `The upstream sent an event of more than ${maxBytes} bytes.`);
}
