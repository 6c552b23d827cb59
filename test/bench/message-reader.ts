/** Receives the parts of HTTP/1.1 messages. All text is Latin-1: a character is a byte. */
export interface MessageHandler {
  /** @param text the first line and the header fields, without the empty line */
  head(text: string): void;
  /** @param text a part of the body, without chunk headers */
  body(text: string): void;
  end(): void;
}

export interface MessageReader {
  /** @throws {Error} when this is not HTTP/1.1 */
  push(text: string): void;
  /** Call when the connection has closed. @returns true when that cut off a message */
  close(): boolean;
}

type State = 'head' | 'length' | 'until close' | 'size' | 'chunk' | 'chunk end' | 'trailer';

/** Bytes. */
const longestHead = 64 * 1024;

/**
 * Reads the messages of one connection. It is faster than Node's own parser, since it supports less: no trailers, no
 * interim responses, no 204 or 304 without a body.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112
 */
export function messageReader(handler: MessageHandler): MessageReader {
  let state: State = 'head';
  let rest = '';
  /** Bytes of the body or chunk that are still to come. */
  let remaining = 0;

  const finish = (): void => {
    state = 'head';
    handler.end();
  };
  /** @returns the position up to which `text` was read; `at` when more text is needed */
  const step = (text: string, at: number): number => {
    switch (state) {
      case 'length':
      case 'chunk': {
        const stop = Math.min(text.length, at + remaining);
        remaining -= stop - at;
        if (stop > at) handler.body(text.slice(at, stop));
        if (remaining === 0) {
          if (state === 'length') finish();
          else state = 'chunk end';
        }
        return stop;
      }
      case 'until close':
        handler.body(text.slice(at));
        return text.length;
      case 'head': {
        const stop = text.indexOf('\r\n\r\n', at);
        if (stop < 0) {
          if (text.length - at > longestHead) throw new Error('the head of a message is too long');
          return at;
        }
        const head = text.slice(at, stop);
        [state, remaining] = framingOf(head);
        handler.head(head);
        if (state === 'length' && remaining === 0) finish();
        return stop + 4;
      }
      case 'size': {
        const stop = text.indexOf('\r\n', at);
        if (stop < 0) return at;
        remaining = Number.parseInt(text.slice(at, stop), 16);
        if (!(remaining >= 0)) throw new Error(`invalid chunk size: ${text.slice(at, at + 20)}`);
        state = remaining === 0 ? 'trailer' : 'chunk';
        return stop + 2;
      }
      case 'chunk end':
      case 'trailer':
        if (text.length - at < 2) return at;
        if (!text.startsWith('\r\n', at)) throw new Error('a chunk is longer than its size');
        if (state === 'trailer') finish();
        else state = 'size';
        return at + 2;
      default:
        return state satisfies never;
    }
  };
  return {
    push(chunk) {
      const text = rest === '' ? chunk : rest + chunk;
      let at = 0;
      while (at < text.length) {
        const next = step(text, at);
        if (next === at) break;
        at = next;
      }
      rest = text.slice(at);
    },
    close() {
      if (state === 'until close') {
        finish();
        return false;
      }
      return state !== 'head' || rest !== '';
    },
  };
}

function framingOf(head: string): [state: State, remaining: number] {
  if (/\r\ntransfer-encoding:[ \t]*chunked/i.test(head)) return ['size', 0];
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return ['length', Number(length)];
  return head.startsWith('HTTP/') ? ['until close', 0] : ['length', 0];
}
