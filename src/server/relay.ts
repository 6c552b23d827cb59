import type { Transformer } from 'node:stream/web';
import type { Exchange } from './exchange.ts';
import type { Source } from './source.ts';
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
  const finish = (): void => {
    source.complete = translator.finish !== undefined;
    if (translator.finish !== undefined) exchange.measured(translator.finish);
    exchange.end(translator.error);
  };
  const put = (controller: TransformStreamDefaultController<Uint8Array>, text: string): void => {
    if (text !== '') controller.enqueue(Buffer.from(text));
    if (!translator.ended) return;
    finish();
    controller.terminate();
  };
  const transformer: Transformer<Uint8Array, Uint8Array> = {
    start: (controller) => put(controller, opening),
    transform: (bytes, controller) => put(controller, translator.push(bytes)),
    flush: (controller) =>
      put(controller, source.error === undefined ? translator.end() : translator.fail(source.error)),
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
    const { done, value } = await reader.read();
    if (!done) text = translator.push(value);
    else text = source.error === undefined ? translator.end() : translator.fail(source.error);
  }
  reader.releaseLock();
  if (translator.error !== undefined && !translator.opened) {
    void source.stream.cancel();
    throw translator.error;
  }
  return text;
}
