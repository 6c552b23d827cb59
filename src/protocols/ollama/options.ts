import type { Options } from 'ollama';
import type { GenerationRequest, JsonObject, Sampling } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import { integer, number, object, optional } from '../fields.ts';

/** Options that other backends have too, by names of their own. */
const shared: ReadonlySet<string> = new Set<keyof Options>([
  'temperature',
  'top_p',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
  'num_predict',
]);

/**
 * Reads `options`. Null is absent: the ollama package sends what its user left undefined.
 *
 * @returns what other backends know too as `sampling`; the rest (num_ctx, top_k, ...) as it was given
 * @see https://docs.ollama.com/modelfile#valid-parameters-and-values
 */
export function readOptions(value: unknown): Pick<GenerationRequest, 'sampling' | 'options'> {
  const given = readGivenOptions(value);
  const others = Object.entries(given).filter(([name]) => !shared.has(name));
  return {
    sampling: readSampling(given),
    ...optional('options', others.length > 0 ? Object.fromEntries(others) : undefined),
  };
}

/** All options but those that are null. */
export function readGivenOptions(value: unknown): JsonObject {
  return Object.fromEntries(Object.entries(object(value, 'options') ?? {}).filter(([, option]) => option !== null));
}

function readSampling(options: JsonObject): Sampling {
  const fields: { -readonly [Field in keyof Sampling]: Sampling[Field] | undefined } = {
    temperature: number(options['temperature'], 'options.temperature', 0, 2),
    topP: number(options['top_p'], 'options.top_p', 0, 1),
    seed: readSeed(options['seed']),
    stop: readStop(options['stop']),
    frequencyPenalty: number(options['frequency_penalty'], 'options.frequency_penalty', -2, 2),
    presencePenalty: number(options['presence_penalty'], 'options.presence_penalty', -2, 2),
    maxTokens: readNumPredict(options['num_predict']),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined));
}

/** -1 is Ollama's way of asking for a random one. */
function readSeed(value: unknown): number | undefined {
  const seed = integer(value, 'options.seed', Number.MIN_SAFE_INTEGER);
  return seed === -1 ? undefined : seed;
}

/** 0 and what is below it mean no limit. */
function readNumPredict(value: unknown): number | undefined {
  const limit = integer(value, 'options.num_predict', Number.MIN_SAFE_INTEGER) ?? 0;
  return limit > 0 ? limit : undefined;
}

function readStop(value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!stops.every((stop): stop is string => typeof stop === 'string' && stop !== '')) {
    throw invalidValue('options.stop', 'options.stop must be a string or an array of strings, none of them empty.');
  }
  // An empty list would take away the stops of the model itself.
  return stops.length > 0 ? [...stops] : undefined;
}
