import type { Transformer } from 'node:stream/web';
import type { Exchange } from './exchange.ts';
import type { Piece, Source } from './source.ts';
import type { Translator } from './translator.ts';

/**
 * Translates an answer while it streams. Resolves once the first piece is translated: until then a failure is thrown,
 * to become a status of its own; after it a failure becomes the client's error event.
 *
 * @returns the client's stream, one TransformStream around the translator. It ends the exchange when it ends.
 * @throws {GatewayError} when the upstream fails before anything was translated
 */
export async function relay(
  source: Source,
  translator: Translator,
  exchange: Exchange,
): Promise<ReadableStream<Uint8Array>> {
  const opening = await open(source, translator);
  const put = (controller: TransformStreamDefaultController<Uint8Array>, text: string): void => {
    if (text !== '') controller.enqueue(Buffer.from(text));
    if (!translator.ended) return;
    source.complete = translator.total !== undefined;
    if (translator.total !== undefined) exchange.measured(translator.total);
    exchange.end(translator.error);
    controller.terminate();
  };
  const transformer: Transformer<Piece, Uint8Array> = {
    start: (controller) => put(controller, opening),
    transform: (piece, controller) => put(controller, translate(piece, translator)),
    cancel: () => {
      exchange.clientLeft();
      exchange.end();
    },
  };
  return source.stream.pipeThrough(new TransformStream(transformer));
}

/** Reads until the first piece of the answer is translated, and leaves the rest in the source. */
async function open(source: Source, translator: Translator): Promise<string> {
  const reader = source.stream.getReader();
  let text = '';
  while (!translator.opened && !translator.ended) {
    const { value } = await reader.read();
    if (value === undefined) break;
    text = translate(value, translator);
  }
  reader.releaseLock();
  if (translator.error !== undefined && !translator.opened) {
    void source.stream.cancel();
    throw translator.error;
  }
  return text;
}

function translate(piece: Piece, translator: Translator): string {
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
