import type { Options } from 'ollama';
import type { GenerationRequest, JsonObject, Sampling } from '../../chat/request.ts';
import { defined, integer, object } from '../fields.ts';
import { readSampling, samplingFields } from '../shared-fields.ts';

/** Options that other backends have too, under names of their own. */
const samplingOptions: ReadonlySet<string> = new Set<keyof Options>([...samplingFields, 'num_predict']);

/**
 * Reads `options`.
 *
 * @returns the options that other backends have too as `sampling`, the rest (num_ctx, top_k, ...) unchanged
 * @throws {GatewayError} 400 with `param` for a sampling option of the wrong type or out of range
 * @see https://docs.ollama.com/modelfile#valid-parameters-and-values
 */
export function readOptions(value: unknown): Pick<GenerationRequest, 'sampling' | 'options'> {
  const options = readPresentOptions(value);
  const others = Object.entries(options).filter(([name]) => !samplingOptions.has(name));
  return {
    sampling: readSamplingOptions(options),
    ...(others.length > 0 && { options: Object.fromEntries(others) }),
  };
}

/** @returns all options but those that are null, which the ollama package sends for options left undefined */
export function readPresentOptions(value: unknown): JsonObject {
  return Object.fromEntries(Object.entries(object(value, 'options') ?? {}).filter(([, option]) => option !== null));
}

function readSamplingOptions(options: JsonObject): Sampling {
  const { seed, ...sampling } = readSampling(options, 'options.');
  const limit = integer(options['num_predict'], 'options.num_predict', Number.MIN_SAFE_INTEGER) ?? 0;
  return {
    ...sampling,
    // -1 asks Ollama for a random seed.
    ...defined({ seed: seed === -1 ? undefined : seed }),
    // 0 and negative numbers mean no limit.
    ...(limit > 0 && { maxTokens: limit }),
  };
}
