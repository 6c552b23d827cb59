import type { DecoderMaker } from '../chat/stream.ts';
import { type ChatResult, Accumulator } from '../chat/accumulator.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import { afterOutput } from './after-output.ts';
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
  bodies: MergedBodies,
  decoders: readonly DecoderMaker[],
  maxBytes: number,
): Promise<ChatResult[]> {
  const choices = decoders.map((decoder) => {
    const accumulator = new Accumulator();
    return { accumulator, decoder: decoder((event) => accumulator.add(event)) };
  });
  let bytes = 0;
  const take = (chunk: Chunk): void => {
    const decoder = choices[chunk.choice]?.decoder;
    if (chunk.type === 'broken') throw chunk.error;
    if (chunk.type === 'end') {
      decoder?.end();
      return;
    }
    bytes += chunk.bytes.length;
    if (bytes > maxBytes) throw new GatewayError('upstream_protocol_error', 'The answer is too large for one piece.');
    decoder?.push(chunk.bytes);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      bodies.read((chunk) => {
        try {
          take(chunk);
          if (choices.every(({ accumulator }) => accumulator.result !== undefined)) resolve();
        } catch (thrown) {
          const error = asGatewayError(thrown);
          reject(choices.some(({ accumulator }) => accumulator.hasOutput) ? afterOutput(error) : error);
        }
      });
    });
    bodies.complete = true;
  } finally {
    bodies.close();
  }
  return choices.map(({ accumulator }) => {
    if (accumulator.result === undefined) throw new GatewayError('upstream_incomplete', 'The upstream sent no answer.');
    return accumulator.result;
  });
}
