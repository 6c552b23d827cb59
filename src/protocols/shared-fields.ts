import type { JsonObject, Sampling, Think } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { isObject } from '../framing/json.ts';
import { defined, integer, number, oneOf } from './fields.ts';
import { readSchema } from './json-schema.ts';
import { readFormatObject } from './response-format.ts';

/**
 * Readers of the fields that several dialects share. Some are Ollama's own, which clients of other APIs may send too:
 * their SDKs pass extra fields on.
 */

/** The fields that `readSampling` reads. */
export const samplingFields = [
  'temperature',
  'top_p',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
] as const;

/**
 * Reads the sampling parameters that OpenAI's APIs and Ollama's `options` give the same names and ranges. The limit of
 * tokens has a different name in each.
 *
 * @param fields the object that holds them
 * @param prefix of their paths: `options.`, or nothing for the body itself
 * @throws {GatewayError} 400 with `param` for a value of the wrong type or out of range
 */
export function readSampling(fields: JsonObject, prefix = ''): Omit<Sampling, 'maxTokens'> {
  return defined({
    temperature: number(fields['temperature'], `${prefix}temperature`, 0, 2),
    topP: number(fields['top_p'], `${prefix}top_p`, 0, 1),
    seed: integer(fields['seed'], `${prefix}seed`, Number.MIN_SAFE_INTEGER),
    stop: readStop(fields['stop'], `${prefix}stop`),
    frequencyPenalty: number(fields['frequency_penalty'], `${prefix}frequency_penalty`, -2, 2),
    presencePenalty: number(fields['presence_penalty'], `${prefix}presence_penalty`, -2, 2),
  });
}

function readStop(value: unknown, path: string): string[] | undefined {
  if (value == null) return undefined;
  const sequences: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!sequences.every((sequence): sequence is string => typeof sequence === 'string' && sequence !== '')) {
    throw invalidValue(path, `${path} must be a string or an array of strings, none of them empty.`);
  }
  // An empty array would replace the model's own stop sequences with none.
  return sequences.length > 0 ? [...sequences] : undefined;
}

/** Reads Ollama's `think`: true, false or a level. @throws {GatewayError} 400 for any other value */
export function readThink(value: unknown): Think | undefined {
  return typeof value === 'boolean' ? value : oneOf(value, 'think', ['low', 'medium', 'high', 'max']);
}

/** Reads Ollama's `format`: "json" or a JSON Schema; '' is absent. @throws {GatewayError} 400 for any other value */
export function readFormat(value: unknown): 'json' | JsonObject | undefined {
  if (value == null || value === '') return undefined;
  if (value === 'json') return value;
  // Some clients send OpenAI's description of a format. Any other object is a schema.
  if (isObject(value))
    return isDescription(value) ? readFormatObject(value, 'format', 'format.schema') : readSchema(value, 'format');
  throw invalidValue('format', 'format must be "json" or a JSON Schema.');
}

function isDescription({ type }: JsonObject): boolean {
  return type === 'text' || type === 'json_object' || type === 'json_schema';
}

/**
 * Reads Ollama's `keep_alive`, the time for which a model stays loaded.
 *
 * @returns seconds, or a Go duration such as "10m"
 * @throws {GatewayError} 400 for any other value
 */
export function readKeepAlive(value: unknown): string | number | undefined {
  if (value == null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw invalidValue('keep_alive', 'keep_alive must be seconds or a duration such as "10m".');
}
