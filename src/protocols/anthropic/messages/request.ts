import type { ChatRequest, JsonObject, Sampling } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { array, boolean, integer, number, object, optional, readKeepAlive, required, string } from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { readThinking } from './thinking.ts';
import { readToolUse } from './tools.ts';
import { noteUnread } from './unread.ts';

export interface MessageRequest {
  readonly requests: readonly [ChatRequest];
  readonly stream: boolean;
  readonly hideThinking: boolean;
  /** Whether the answer has to tell which of the stop sequences ended it. */
  readonly namesStop: boolean;
  readonly dropped: readonly string[];
}

const readFields = [
  'model',
  'max_tokens',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'stop_sequences',
  'temperature',
  'top_p',
  'top_k',
  'stream',
  'options',
  'keep_alive',
  'think',
];

/**
 * Reads the body of a request for a message. Beside Anthropic's fields it takes Ollama's own `options`, `keep_alive`
 * and `think`, which SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessage(body: unknown): MessageRequest {
  const { fields, request, ledger, hideThinking } = readPrompt(body);
  const sampling = readSampling(fields);
  const whole: ChatRequest = {
    ...request,
    ...optional('options', readOptions(fields)),
    sampling,
    ...optional('format', readFormat(fields, ledger)),
  };
  object(fields['metadata'], 'metadata');
  noteUnread(ledger, '', fields, readFields);
  return {
    requests: [whole],
    stream: boolean(fields['stream'], 'stream') ?? false,
    hideThinking,
    namesStop: sampling.stop !== undefined,
    dropped: ledger.dropped,
  };
}

/**
 * Reads the body of a request to count tokens: the same prompt, with one token asked for, in no format that this token
 * could break.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages-count-tokens
 */
export function readTokenCount(body: unknown): MessageRequest {
  const { fields, request, ledger } = readPrompt(body);
  noteUnread(ledger, '', fields, readFields);
  const counting: ChatRequest = {
    ...request,
    ...optional('options', object(fields['options'], 'options')),
    sampling: { maxTokens: 1 },
  };
  return { requests: [counting], stream: false, hideThinking: false, namesStop: false, dropped: ledger.dropped };
}

/** What both have in common: all that the model reads. An absent model is '': the operator may have a default. */
function readPrompt(body: unknown): {
  fields: JsonObject;
  request: Omit<ChatRequest, 'sampling'>;
  ledger: DroppedFields;
  hideThinking: boolean;
} {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  const ledger = new DroppedFields();
  const { hideThinking, ...think } = readThinking(body, ledger);
  const request: Omit<ChatRequest, 'sampling'> = {
    kind: 'chat',
    model: string(body['model'], 'model') ?? '',
    messages: readMessages(body, ledger),
    ...readToolUse(body, ledger),
    ...think,
    ...optional('keepAlive', readKeepAlive(body['keep_alive'])),
  };
  return { fields: body, request, ledger, hideThinking };
}

function readSampling(body: JsonObject): Sampling {
  return {
    // Not 0, which only fills Anthropic's cache: Ollama takes it for no limit.
    maxTokens: required(integer(body['max_tokens'], 'max_tokens', 1), 'max_tokens'),
    ...optional('temperature', number(body['temperature'], 'temperature', 0, 1)),
    ...optional('topP', number(body['top_p'], 'top_p', 0, 1)),
    ...optional('stop', readStop(body['stop_sequences'])),
  };
}

function readOptions(body: JsonObject): JsonObject | undefined {
  const options = object(body['options'], 'options');
  const topK = integer(body['top_k'], 'top_k', 0);
  return topK === undefined ? options : { ...options, top_k: topK };
}

function readStop(value: unknown): string[] | undefined {
  const stops = array(value, 'stop_sequences') ?? [];
  if (!stops.every((stop): stop is string => typeof stop === 'string' && stop !== '')) {
    throw invalidValue('stop_sequences', 'stop_sequences must be an array of strings, none of them empty.');
  }
  // An empty list would take away the stops of the model itself.
  return stops.length > 0 ? [...stops] : undefined;
}
