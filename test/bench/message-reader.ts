/** Told what stands in HTTP/1.1 messages. All text is Latin-1: a character is a byte. */
export interface MessageHandler {
  /** The first line and the header fields, without the empty line. */
  head(text: string): void;
  /** A piece of the body, without the framing of chunks. */
  body(text: string): void;
  end(): void;
}

export interface MessageReader {
  /** @throws Error if this is no HTTP/1.1 */
  push(text: string): void;
  /** The connection has ended. @returns whether a message was under way that it cut */
  close(): boolean;
}

type State = 'head' | 'length' | 'until close' | 'size' | 'chunk' | 'chunk end' | 'trailer';

const longestHead = 64 * 1024;

/**
 * Reads the messages of one connection, one after the other. Faster than Node's own, since it knows little: no trailers,
 * no interim answers, no bodies of 204 or 304.
 * @see https://www.rfc-editor.org/rfc/rfc9112
 */
export function messageReader(handler: MessageHandler): MessageReader {
  let state: State = 'head';
  let rest = '';
  let left = 0;

  const finish = (): void => {
    state = 'head';
    handler.end();
  };
  /** @returns how far `text` was read; as far as before if that takes more of it */
  const step = (text: string, at: number): number => {
    switch (state) {
      case 'length':
      case 'chunk': {
        const stop = Math.min(text.length, at + left);
        left -= stop - at;
        if (stop > at) handler.body(text.slice(at, stop));
        if (left === 0) {
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
          if (text.length - at > longestHead) throw new Error('the head of a message has no end');
          return at;
        }
        const head = text.slice(at, stop);
        [state, left] = framingOf(head);
        handler.head(head);
        if (state === 'length' && left === 0) finish();
        return stop + 4;
      }
      case 'size': {
        const stop = text.indexOf('\r\n', at);
        if (stop < 0) return at;
        left = Number.parseInt(text.slice(at, stop), 16);
        if (!(left >= 0)) throw new Error(`the size of a chunk is ${text.slice(at, at + 20)}`);
        state = left === 0 ? 'trailer' : 'chunk';
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
    push(piece) {
      const text = rest === '' ? piece : rest + piece;
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

function framingOf(head: string): [state: State, left: number] {
  if (/\r\ntransfer-encoding:[ \t]*chunked/i.test(head)) return ['size', 0];
  const length = /\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return ['length', Number(length)];
  return head.startsWith('HTTP/') ? ['until close', 0] : ['length', 0];
}
