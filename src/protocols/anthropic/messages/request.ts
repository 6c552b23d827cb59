import type { ChatRequest, JsonObject, Sampling } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { array, boolean, defined, integer, number, object, readObjectBody, required, string } from '../../fields.ts';
import { readKeepAlive } from '../../shared-fields.ts';
import { readOutputFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { readThinking } from './thinking.ts';
import { readToolUse } from './tools.ts';
import { dropUnknown } from './unknown-fields.ts';

export interface ParsedMessage {
  readonly requests: readonly [ChatRequest];
  readonly stream: boolean;
  readonly hideThinking: boolean;
  /** True when the answer has to contain the stop sequence that ended it. */
  readonly reportsStop: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

const knownFields = [
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
 * Reads the body of a request for a message. Besides Anthropic's fields it takes Ollama's own `options`, `keep_alive`
 * and `think`, which SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessageRequest(value: unknown): ParsedMessage {
  const { body, prompt, dropped, hideThinking } = readPrompt(value);
  const sampling = readSampling(body);
  const request: ChatRequest = {
    ...prompt,
    sampling,
    ...defined({ options: readOptions(body), format: readOutputFormat(body, dropped) }),
  };
  object(body['metadata'], 'metadata');
  dropUnknown(dropped, '', body, knownFields);
  return {
    requests: [request],
    stream: boolean(body['stream'], 'stream') ?? false,
    hideThinking,
    reportsStop: sampling.stop !== undefined,
    dropped: [...dropped.names],
  };
}

/**
 * Reads the body of a request to count tokens. It becomes a request with the same prompt for one token, without a format
 * that this token could violate.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages-count-tokens
 */
export function readTokenCountRequest(value: unknown): ParsedMessage {
  const { body, prompt, dropped } = readPrompt(value);
  dropUnknown(dropped, '', body, knownFields);
  const request: ChatRequest = {
    ...prompt,
    ...defined({ options: object(body['options'], 'options') }),
    sampling: { maxTokens: 1 },
  };
  return { requests: [request], stream: false, hideThinking: false, reportsStop: false, dropped: [...dropped.names] };
}

interface Prompt {
  readonly body: JsonObject;
  readonly prompt: Omit<ChatRequest, 'sampling'>;
  readonly dropped: DroppedFields;
  readonly hideThinking: boolean;
}

/** Reads the fields that affect the number of input tokens. An absent model is '': there may be a default. */
function readPrompt(value: unknown): Prompt {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  const { hideThinking, ...think } = readThinking(body, dropped);
  const prompt: Omit<ChatRequest, 'sampling'> = {
    kind: 'chat',
    model: string(body['model'], 'model') ?? '',
    messages: readMessages(body, dropped),
    ...readToolUse(body, dropped),
    ...think,
    ...defined({ keepAlive: readKeepAlive(body['keep_alive']) }),
  };
  return { body, prompt, dropped, hideThinking };
}

function readSampling(body: JsonObject): Sampling {
  return {
    // 0, which only fills Anthropic's cache, is refused: Ollama takes it for no limit.
    maxTokens: required(integer, body['max_tokens'], 'max_tokens', 1),
    ...defined({
      temperature: number(body['temperature'], 'temperature', 0, 1),
      topP: number(body['top_p'], 'top_p', 0, 1),
      stop: readStopSequences(body['stop_sequences']),
    }),
  };
}

function readOptions(body: JsonObject): JsonObject | undefined {
  const options = object(body['options'], 'options');
  const topK = integer(body['top_k'], 'top_k', 0);
  return topK === undefined ? options : { ...options, top_k: topK };
}

function readStopSequences(value: unknown): string[] | undefined {
  const sequences = array(value, 'stop_sequences') ?? [];
  if (!sequences.every((sequence): sequence is string => typeof sequence === 'string' && sequence !== '')) {
    throw invalidValue('stop_sequences', 'stop_sequences must be an array of strings, none of them empty.');
  }
  // An empty array would replace the model's own stop sequences with none.
  return sequences.length > 0 ? [...sequences] : undefined;
}
