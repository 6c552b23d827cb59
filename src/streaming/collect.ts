import type { DecoderMaker } from '../chat/stream.ts';
import { type ChatResult, Accumulator } from '../chat/accumulator.ts';
import type { ChatEvent } from '../chat/event.ts';
import { GatewayError, asGatewayError, errorInAnswer } from '../errors.ts';
import { afterOutput } from './after-output.ts';
import type { Chunk, MergedBodies } from './merged-bodies.ts';

/**
 * Reads a whole answer.
 *
 * @param decoders one for each choice
 * @param maxBytes of all of it
 * @param onNothing called if it fails before any of it came, so that another server may be asked
 * @returns the result of each choice
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function collect(
  bodies: MergedBodies,
  decoders: readonly DecoderMaker[],
  maxBytes: number,
  onNothing: () => void,
): Promise<ChatResult[]> {
  let [bytes, hasBegun] = [0, false];
  const choices = decoders.map((decoder) => {
    const accumulator = new Accumulator();
    const add = (event: ChatEvent): void => {
      hasBegun = true;
      accumulator.add(event);
    };
    return { accumulator, decoder: decoder(add) };
  });
  const take = (chunk: Chunk): void => {
    const decoder = choices[chunk.choice]?.decoder;
    if (chunk.type === 'broken') throw chunk.error;
    if (chunk.type === 'end') {
      decoder?.end();
      return;
    }
    bytes += chunk.bytes.length;
    if (bytes > maxBytes)
      throw new GatewayError('upstream_protocol_error', 'The answer is too large for a response that is not streamed.');
    decoder?.push(chunk.bytes);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      bodies.read((chunk) => {
        try {
          take(chunk);
          if (choices.every(({ accumulator }) => accumulator.result !== undefined)) resolve();
        } catch (thrown) {
          if (!hasBegun) onNothing();
          const error = chunk.type === 'bytes' ? errorInAnswer(thrown) : asGatewayError(thrown);
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
