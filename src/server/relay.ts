import type { Exchange } from './exchange.ts';
import type { Flow, Outlet } from './flow.ts';
import type { Piece, Source } from './source.ts';
import type { Translator } from './translator.ts';

/**
 * Translates an answer while it streams. Resolves once the first piece is translated: until then a failure is thrown,
 * to become a status of its own; after it a failure becomes the client's error event. The flow's end ends the exchange.
 *
 * @throws {GatewayError} when the upstream fails before anything was translated
 */
export async function relay(source: Source, translator: Translator, exchange: Exchange): Promise<Flow> {
  const opening = await open(source, translator);
  const { encoding } = translator;
  if (translator.error !== undefined && !translator.opened) {
    source.leave();
    throw translator.error;
  }
  const settle = (): void => {
    source.complete = translator.total !== undefined;
    if (translator.total !== undefined) exchange.measured(translator.total);
    exchange.end(translator.error);
  };
  if (translator.ended) settle();
  return {
    source,
    exchange,
    opening,
    encoding,
    ended: translator.ended,
    pass(piece, outlet: Outlet) {
      const text = translate(piece, translator);
      if (text !== '') outlet.send(text, translator.encoding);
      if (!translator.ended) return;
      settle();
      outlet.end();
    },
  };
}

/** Reads until the first piece of the answer is translated; the rest waits in the source. */
async function open(source: Source, translator: Translator): Promise<string> {
  return await new Promise((resolve) => {
    source.read((piece) => {
      const text = translate(piece, translator);
      if (!translator.opened && !translator.ended) return;
      source.pause();
      resolve(text);
    });
  });
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
