import type { Translator } from '../../src/streaming/translator.ts';

/** What a client is sent of each piece of a backend's stream, and then of its end. */
export function* sentOf(translator: Translator, pieces: readonly Buffer[]): Generator<Buffer, void> {
  for (const bytes of pieces) yield Buffer.from(translator.push({ type: 'bytes', choice: 0, bytes }));
  yield Buffer.from(translator.push({ type: 'end', choice: 0 }));
}
