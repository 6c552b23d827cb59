import type { GenerationRequest, JsonObject, Sampling } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import { boolean, integer, number, object, optional, readKeepAlive, string } from '../fields.ts';
import type { DroppedFields } from '../dropped-fields.ts';

/** The fields that chat completions and completions share, by the names that are read here. */
export const commonFields = [
  'model',
  'options',
  'keep_alive',
  'temperature',
  'top_p',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'stream',
  'stream_options',
] as const;

/** An absent model is '': the operator may have a default. @throws {GatewayError} 400 with `param` */
export function readCommon(
  body: JsonObject,
): Pick<GenerationRequest, 'model' | 'sampling'> & Partial<Pick<GenerationRequest, 'options' | 'keepAlive'>> {
  return {
    model: string(body['model'], 'model') ?? '',
    sampling: readSampling(body),
    ...optional('options', object(body['options'], 'options')),
    ...optional('keepAlive', readKeepAlive(body['keep_alive'])),
  };
}

/** Whether the last chunk of a stream tells the usage. */
export function readIncludeUsage(value: unknown, ledger: DroppedFields): boolean {
  const options = object(value, 'stream_options');
  ledger.note('stream_options.include_obfuscation', options?.['include_obfuscation']);
  return boolean(options?.['include_usage'], 'stream_options.include_usage') ?? false;
}

/**
 * The same request once for each choice. With a seed, each gets the next one: the same seed would give the same answer.
 */
export function choices<Request extends GenerationRequest>(request: Request, count: number): [Request, ...Request[]] {
  const { seed } = request.sampling;
  const others = Array.from({ length: count - 1 }, (_, index) =>
    seed === undefined ? request : { ...request, sampling: { ...request.sampling, seed: seed + index + 1 } },
  );
  return [request, ...others];
}

function readSampling(body: JsonObject): Sampling {
  const fields: { -readonly [Field in keyof Sampling]: Sampling[Field] | undefined } = {
    temperature: number(body['temperature'], 'temperature', 0, 2),
    topP: number(body['top_p'], 'top_p', 0, 1),
    seed: integer(body['seed'], 'seed', Number.MIN_SAFE_INTEGER),
    stop: readStop(body['stop']),
    frequencyPenalty: number(body['frequency_penalty'], 'frequency_penalty', -2, 2),
    presencePenalty: number(body['presence_penalty'], 'presence_penalty', -2, 2),
    maxTokens: readMaxTokens(body),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The deprecated name and its successor; where a client sends both, the smaller keeps both promises. */
function readMaxTokens(body: JsonObject): number | undefined {
  const given = [
    integer(body['max_completion_tokens'], 'max_completion_tokens', 1),
    integer(body['max_tokens'], 'max_tokens', 1),
  ].filter((limit) => limit !== undefined);
  return given.length > 0 ? Math.min(...given) : undefined;
}

function readStop(value: unknown): string[] | undefined {
  if (value == null) return undefined;
  const stops: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!stops.every((stop): stop is string => typeof stop === 'string' && stop !== '')) {
    throw invalidValue('stop', 'stop must be a string or an array of strings, none of them empty.');
  }
  // An empty list would take away the stops of the model itself.
  return stops.length > 0 ? [...stops] : undefined;
}
