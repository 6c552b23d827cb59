import type { Translator } from '../../src/streaming/translator.ts';

/** What a client is sent of each piece of a backend's stream, and then of its end. */
export function* sentOf(translator: Translator, pieces: readonly Buffer[]): Generator<Buffer, void> {
  for (const piece of pieces) yield bytesOf(translator.push(piece), translator);
  yield bytesOf(translator.end(), translator);
}

function bytesOf(text: string, { encoding }: Translator): Buffer {
  return Buffer.from(text, encoding);
}
