import type { DecoderMaker } from '../chat/stream.ts';
import { type ChatResult, Accumulator } from '../chat/accumulator.ts';
import { GatewayError } from '../errors.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';

/**
 * Reads a whole answer.
 *
 * @param decoders one for each choice
 * @param maxBytes of all of it
 * @returns the result of each choice
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function collect(
  source: MergedBodies,
  decoders: readonly DecoderMaker[],
  maxBytes: number,
): Promise<ChatResult[]> {
  const choices = decoders.map((decoder) => {
    const fold = new Accumulator();
    return { fold, decoder: decoder((event) => fold.add(event)) };
  });
  let bytes = 0;
  const take = (piece: Chunk): void => {
    const decoder = choices[piece.choice]?.decoder;
    if (piece.type === 'broken') throw piece.error;
    if (piece.type === 'end') {
      decoder?.end();
      return;
    }
    bytes += piece.bytes.length;
    if (bytes > maxBytes) throw new GatewayError('upstream_protocol_error', 'The answer is too large for one piece.');
    decoder?.push(piece.bytes);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      source.read((piece) => {
        try {
          take(piece);
          if (choices.every(({ fold }) => fold.result !== undefined)) resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    source.complete = true;
  } finally {
    source.cancel();
  }
  return choices.map(({ fold }) => {
    if (fold.result === undefined) throw new GatewayError('upstream_incomplete', 'The upstream sent no answer.');
    return fold.result;
  });
}
