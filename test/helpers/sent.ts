import type { Translator } from '../../src/streaming/translator.ts';

/** Yields the bytes that a client gets for each chunk of an upstream's stream, and then for its end. */
export function* sentOf(translator: Translator, chunks: readonly Buffer[]): Generator<Buffer, void> {
  for (const bytes of chunks) yield bytesOf(translator.push({ type: 'bytes', choice: 0, bytes }), translator);
  yield bytesOf(translator.push({ type: 'end', choice: 0 }), translator);
}

function bytesOf(text: string, { encoding }: Translator): Buffer {
  return Buffer.from(text, encoding);
}
