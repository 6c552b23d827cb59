import { isDeepStrictEqual } from 'node:util';
import type { GenerationRequest, JsonObject, Sampling } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import type { DroppedFields } from './dropped-fields.ts';
import { isObject } from '../framing/json.ts';
import type { Field, FieldTable } from './field-table.ts';
import { boolean, integer, number, object, string } from './fields.ts';
import { readSchema } from './json-schema.ts';
import { readFormatObject } from './response-format.ts';

// The settings that all APIs share. Ollama's own are extra fields in the APIs of others: SDKs pass them on.

const option: Field<number> = { effect: 'any', read: number };
const ollamaOption = { effect: 'ollama', read: number } as const satisfies Field;
const ollamaFlag = { effect: 'ollama', read: boolean } as const satisfies Field;

/** Options that only Ollama has. Several concern how a model is loaded, so requests for embeddings have them too. */
export const ollamaOptions = {
  num_ctx: ollamaOption,
  num_keep: ollamaOption,
  num_batch: ollamaOption,
  num_gpu: ollamaOption,
  main_gpu: ollamaOption,
  num_thread: ollamaOption,
  repeat_last_n: ollamaOption,
  draft_num_predict: ollamaOption,
  mirostat: ollamaOption,
  mirostat_eta: ollamaOption,
  mirostat_tau: ollamaOption,
  tfs_z: ollamaOption,
  use_mmap: ollamaFlag,
  use_mlock: ollamaFlag,
  low_vram: ollamaFlag,
  penalize_newline: ollamaFlag,
} as const satisfies FieldTable;

/** Parameters that Ollama has in its `options`, and OpenAI's APIs and local servers at the top level. */
export const optionFields = {
  temperature: { effect: 'any', read: number, min: 0, note: 'Above 2 too: servers decide.' },
  top_p: { effect: 'any', read: number, min: 0, max: 1 },
  seed: { effect: 'any', read: integer, note: '-1 is a random seed.' },
  stop: { effect: 'any', read: readStop, note: 'Empty sequences are left out.' },
  frequency_penalty: { effect: 'any', read: number },
  presence_penalty: { effect: 'any', read: number },
  top_k: option,
  min_p: option,
  typical_p: option,
  repeat_penalty: option,
  repetition_penalty: { effect: 'any', read: number, note: "vLLM's name of repeat_penalty." },
  num_predict: { effect: 'any', read: readTokenLimit, note: 'As max_tokens.' },
  ...ollamaOptions,
} as const satisfies FieldTable;

/** The settings that every API of llamaduct takes. */
export const settingFields = {
  model: { effect: 'any', read: string, note: 'Absent: `default_model`.' },
  options: { effect: 'any', read: object, note: "Ollama's options. Other servers have some of them." },
  keep_alive: { effect: 'ollama', read: readKeepAlive },
} as const satisfies FieldTable;

/** The settings of requests for embeddings. Only Ollama has options for them. */
export const embeddingSettingFields = {
  ...settingFields,
  options: { effect: 'ollama', read: object },
} as const satisfies FieldTable;

/** A limit of generated tokens. */
export const tokenLimit = {
  effect: 'any',
  read: readTokenLimit,
  note: '0 and negative numbers are no limit. Of several limits the smallest counts.',
} as const satisfies Field;

type Values = Readonly<Record<string, unknown>>;

/** Ollama's names of options, by all names of them at the top level of a request. */
const optionNames: ReadonlyMap<string, string> = new Map([
  ...Object.keys(optionFields).map((name) => [name, name] as const),
  ['max_tokens', 'num_predict'],
  ['max_completion_tokens', 'num_predict'],
  ['max_output_tokens', 'num_predict'],
  ['stop_sequences', 'stop'],
  ['repetition_penalty', 'repeat_penalty'],
]);

/** The canonical names of the options that every server has. */
const samplingNames: ReadonlyMap<string, keyof Sampling> = new Map([
  ['temperature', 'temperature'],
  ['top_p', 'topP'],
  ['seed', 'seed'],
  ['stop', 'stop'],
  ['frequency_penalty', 'frequencyPenalty'],
  ['presence_penalty', 'presencePenalty'],
  ['num_predict', 'maxTokens'],
]);

/**
 * Reads sampling parameters and options from the top level of a request and from its `options`.
 *
 * @param values the fields of a request, as their tables read them
 * @throws {GatewayError} 400 with `param` for two different values of one parameter, and for an option that cannot be read
 */
export function readSettings(values: Values, dropped: DroppedFields): Pick<GenerationRequest, 'sampling' | 'options'> {
  const sampling: Partial<Record<keyof Sampling, unknown>> = {};
  const options: [string, unknown][] = [];
  for (const [name, { path, value }] of collectOptions(values)) {
    const canonical = samplingNames.get(name);
    if (canonical === undefined) {
      options.push([name, value]);
      dropped.spell(`options.${name}`, path);
    } else {
      sampling[canonical] = value;
    }
  }
  return { sampling: sampling as Sampling, ...(options.length > 0 && { options: Object.fromEntries(options) }) };
}

/** @returns all options of a request under Ollama's names; undefined without any. @throws {GatewayError} as `readSettings` */
export function readOptions(values: Values, dropped: DroppedFields): JsonObject | undefined {
  const options = collectOptions(values);
  if (options.size === 0) return undefined;
  for (const [name, { path }] of options) dropped.spell(`options.${name}`, path);
  return Object.fromEntries([...options].map(([name, { value }]) => [name, value]));
}

interface GivenOption {
  readonly path: string;
  readonly value: unknown;
}

function collectOptions(values: Values): ReadonlyMap<string, GivenOption> {
  const options = new Map<string, GivenOption>();
  for (const name in values) {
    const option = optionNames.get(name);
    const value = values[name];
    if (option !== undefined && value !== undefined) addOption(options, option, { path: name, value });
  }
  const given = values['options'];
  if (!isObject(given)) return options;
  for (const [name, value] of Object.entries(given)) {
    const path = `options.${name}`;
    const field: Field | undefined = Object.hasOwn(optionFields, name)
      ? optionFields[name as keyof typeof optionFields]
      : undefined;
    const read = field?.read === undefined ? value : field.read(value, path, field.min, field.max);
    const option = field === undefined ? name : (optionNames.get(name) ?? name);
    // A frequent mistake: readThinking reads it.
    if (read != null && name !== 'think') addOption(options, option, { path, value: read });
  }
  return options;
}

function addOption(options: Map<string, GivenOption>, name: string, option: GivenOption): void {
  const other = options.get(name);
  if (other === undefined || isDeepStrictEqual(other.value, option.value)) {
    options.set(name, option);
  } else if (name === 'num_predict') {
    // The smaller of two limits satisfies both.
    if (Number(option.value) < Number(other.value)) options.set(name, option);
  } else {
    throw invalidValue(option.path, `${other.path} and ${option.path} contradict each other.`);
  }
}

/** Larger limits overflow some servers. */
const maxTokenLimit = 2 ** 31 - 1;

/** Reads a limit of tokens. As in Ollama, one below 1 is no limit. */
export function readTokenLimit(value: unknown, path: string): number | undefined {
  return integer(value, path, 0, maxTokenLimit) || undefined;
}

/** @throws {GatewayError} 400 for more alternatives per token than servers report */
export function readTopLogprobs(value: unknown, path: string): number | undefined {
  const top = integer(value, path, 0);
  if (top !== undefined && top > 20) throw invalidValue(path, `${path} must be a whole number from 0 to 20.`);
  return top;
}

/** Reads stop sequences: one or an array. An empty one would end every answer at once. */
export function readStop(value: unknown, path: string): string[] | undefined {
  if (value == null) return undefined;
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const sequences = items.filter((item) => item !== '' && item !== null);
  if (!sequences.every((sequence) => typeof sequence === 'string')) {
    throw invalidValue(path, `${path} must be a string or an array of strings.`);
  }
  // An empty array would replace the model's own stop sequences with none.
  return sequences.length > 0 ? sequences : undefined;
}

/** Reads Ollama's `format`: "json" or a JSON Schema; '' is absent. @throws {GatewayError} 400 for any other value */
export function readFormat(value: unknown, path = 'format'): 'json' | JsonObject | undefined {
  if (value == null || value === '') return undefined;
  if (value === 'json') return value;
  // Some clients send OpenAI's description of a format. Any other object is a schema.
  if (isObject(value))
    return isDescription(value) ? readFormatObject(value, path, `${path}.schema`) : readSchema(value, path);
  throw invalidValue(path, `${path} must be "json" or a JSON Schema.`);
}

function isDescription({ type }: JsonObject): boolean {
  return type === 'text' || type === 'json_object' || type === 'json_schema';
}

/**
 * Settles two spellings of the format of an answer. A schema is more exact than any JSON object.
 *
 * @throws {GatewayError} 400 for two different schemas
 */
export function settleFormat<Format extends 'json' | JsonObject>(
  [path, format]: readonly [path: string, format: Format | undefined],
  [otherPath, other]: readonly [path: string, format: Format | undefined],
): Format | undefined {
  if (format === undefined || other === undefined || isDeepStrictEqual(format, other)) return format ?? other;
  if (format === 'json') return other;
  if (other === 'json') return format;
  throw invalidValue(otherPath, `${path} and ${otherPath} contradict each other.`);
}

/**
 * Reads Ollama's `keep_alive`, the time for which a model stays loaded. Ollama refuses a number in a text, so it becomes one.
 *
 * @returns seconds, or a Go duration such as "10m"
 * @throws {GatewayError} 400 for any other value
 */
function readKeepAlive(value: unknown, path: string): string | number | undefined {
  if (typeof value === 'string') return value === '' ? undefined : /^-?\d+$/.test(value) ? Number(value) : value;
  if (typeof value === 'number') return value;
  throw invalidValue(path, `${path} must be seconds or a duration such as "10m".`);
}
