import type { Exchange } from '../exchange/exchange.ts';
import type { ResponseStream, Sink } from './response-stream.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';
import type { Translator } from './translator.ts';

/**
 * Translates an answer while it streams. Resolves once the first piece is translated: until then a failure is thrown,
 * to become a status of its own; after it a failure becomes the client's error event. The flow's end ends the exchange.
 *
 * @throws {GatewayError} when the upstream fails before anything was translated
 */
export async function translatedStream(
  source: MergedBodies,
  translator: Translator,
  exchange: Exchange,
): Promise<ResponseStream> {
  const opening = await open(source, translator);
  const { encoding } = translator;
  if (translator.error !== undefined && !translator.hasOutput) {
    source.cancel();
    throw translator.error;
  }
  const settle = (): void => {
    source.complete = translator.total !== undefined;
    if (translator.total !== undefined) exchange.addUsage(translator.total);
    exchange.end(translator.error);
  };
  if (translator.ended) settle();
  return {
    source,
    exchange,
    opening,
    encoding,
    ended: translator.ended,
    writeChunk(piece, outlet: Sink) {
      const text = translate(piece, translator);
      if (text !== '') outlet.write(text, translator.encoding);
      if (!translator.ended) return;
      settle();
      outlet.end();
    },
  };
}

/** Reads until the first piece of the answer is translated; the rest waits in the source. */
async function open(source: MergedBodies, translator: Translator): Promise<string> {
  return await new Promise((resolve) => {
    source.read((piece) => {
      const text = translate(piece, translator);
      if (!translator.hasOutput && !translator.ended) return;
      source.pause();
      resolve(text);
    });
  });
}

function translate(piece: Chunk, translator: Translator): string {
  switch (piece.type) {
    case 'bytes':
      return translator.push(piece.bytes, piece.choice);
    case 'end':
      return translator.end(piece.choice);
    case 'broken':
      return translator.fail(piece.error);
    default:
      return piece satisfies never;
  }
}
