import type { ChatRequest, JsonObject, Sampling, Think, Tool } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { array, boolean, exclusive, integer, number, object, oneOf, required, string } from '../../fields.ts';
import { readMessages } from './messages.ts';

export interface ChatCompletionRequest {
  readonly request: ChatRequest;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

/**
 * Reads the body of a chat completion request. Beside OpenAI's fields it takes Ollama's own `options`, `keep_alive`,
 * `think` and `format`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatCompletion(body: unknown): ChatCompletionRequest {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  const model = required(string(body['model'], 'model'), 'model');
  if (model.trim() === '') throw invalidValue('model', 'model must not be empty.');
  const messages = readMessages(body['messages']);
  if ((integer(body['n'], 'n', 1, 128) ?? 1) > 1) throw invalidValue('n', 'n must be 1: one answer a request.');
  const tools = body['tool_choice'] === 'none' ? undefined : readTools(body['tools']);
  const format = readFormat(body);
  const think = readThink(body);
  const logprobs = readLogprobs(body);
  const options = object(body['options'], 'options');
  const keepAlive = readKeepAlive(body['keep_alive']);
  return {
    request: {
      model,
      messages,
      sampling: readSampling(body),
      ...(tools !== undefined && { tools }),
      ...(format !== undefined && { format }),
      ...(think !== undefined && { think }),
      ...(logprobs !== undefined && { logprobs }),
      ...(options !== undefined && { options }),
      ...(keepAlive !== undefined && { keepAlive }),
    },
    stream: boolean(body['stream'], 'stream') ?? false,
    includeUsage: readIncludeUsage(body['stream_options']),
  };
}

function readIncludeUsage(value: unknown): boolean {
  const options = object(value, 'stream_options');
  return boolean(options?.['include_usage'], 'stream_options.include_usage') ?? false;
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
  if (!stops.every((stop): stop is string => typeof stop === 'string')) {
    throw invalidValue('stop', 'stop must be a string or an array of strings.');
  }
  return [...stops];
}

function readTools(value: unknown): Tool[] | undefined {
  return array(value, 'tools')?.map((item, index) => {
    const path = `tools[${index}]`;
    const tool = required(object(item, path), path);
    required(oneOf(tool['type'], `${path}.type`, ['function']), `${path}.type`);
    const definition = required(object(tool['function'], `${path}.function`), `${path}.function`);
    const description = string(definition['description'], `${path}.function.description`);
    const parameters = object(definition['parameters'], `${path}.function.parameters`);
    return {
      name: required(string(definition['name'], `${path}.function.name`), `${path}.function.name`),
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
    };
  });
}

function readFormat(body: JsonObject): 'json' | JsonObject | undefined {
  exclusive(body, 'response_format', 'format');
  const responseFormat = object(body['response_format'], 'response_format');
  if (responseFormat === undefined) return readOllamaFormat(body['format']);
  const types = ['text', 'json_object', 'json_schema'] as const;
  const type = required(oneOf(responseFormat['type'], 'response_format.type', types), 'response_format.type');
  switch (type) {
    case 'text':
      return undefined;
    case 'json_object':
      return 'json';
    case 'json_schema': {
      const path = 'response_format.json_schema';
      const schema = required(object(responseFormat['json_schema'], path), path)['schema'];
      return required(object(schema, `${path}.schema`), `${path}.schema`);
    }
    default:
      return type satisfies never;
  }
}

function readOllamaFormat(value: unknown): 'json' | JsonObject | undefined {
  if (value == null || value === '') return undefined;
  if (value === 'json' || isObject(value)) return value;
  throw invalidValue('format', 'format must be "json" or a JSON Schema.');
}

const efforts: Readonly<Record<string, Think>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'max',
};

function readThink(body: JsonObject): Think | undefined {
  exclusive(body, 'reasoning_effort', 'think');
  const effort = oneOf(body['reasoning_effort'], 'reasoning_effort', Object.keys(efforts));
  if (effort !== undefined) return efforts[effort];
  const think = body['think'];
  return typeof think === 'boolean' ? think : oneOf(think, 'think', ['low', 'medium', 'high', 'max']);
}

function readLogprobs(body: JsonObject): ChatRequest['logprobs'] {
  const wanted = boolean(body['logprobs'], 'logprobs') ?? false;
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  if (top !== undefined && !wanted) throw invalidValue('top_logprobs', 'top_logprobs needs logprobs to be true.');
  return wanted ? { top: top ?? 0 } : undefined;
}

function readKeepAlive(value: unknown): string | number | undefined {
  if (value == null) return undefined;
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw invalidValue('keep_alive', 'keep_alive must be seconds or a duration such as "10m".');
}
