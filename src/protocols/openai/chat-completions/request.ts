import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { boolean, integer, number, object, optional, string } from '../../fields.ts';
import { readHideThinking, readThink } from '../effort.ts';
import { choices, commonFields, readCommon, readIncludeUsage } from '../generation.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { readToolUse } from './tools.ts';

export interface ChatCompletionRequest {
  /** One for each of `n`. */
  readonly requests: readonly [ChatRequest, ...ChatRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly hideThinking: boolean;
  readonly dropped: readonly string[];
}

const readFields: ReadonlySet<string> = new Set([
  ...commonFields,
  'messages',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'format',
  'reasoning_effort',
  'think',
  'hide_thinking',
  'hidethinking',
  'logprobs',
  'top_logprobs',
]);

/**
 * Reads the body of a chat completion request. Beside OpenAI's fields it takes Ollama's own `options`, `keep_alive`,
 * `think` and `format`, and `hide_thinking`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatCompletion(body: unknown): ChatCompletionRequest {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  const ledger = new DroppedFields();
  const request: ChatRequest = {
    kind: 'chat',
    ...readCommon(body),
    messages: readMessages(body['messages'], ledger),
    ...readToolUse(body, ledger),
    ...optional('parallelToolCalls', boolean(body['parallel_tool_calls'], 'parallel_tool_calls')),
    ...optional('format', readFormat(body)),
    ...optional('think', readThink(body, body['reasoning_effort'], 'reasoning_effort')),
    ...optional('logprobs', readLogprobs(body)),
  };
  checkDropped(body);
  const includeUsage = readIncludeUsage(body['stream_options'], ledger);
  ledger.noteUnread(body, readFields);
  return {
    requests: choices(request, integer(body['n'], 'n', 1, 128) ?? 1),
    stream: boolean(body['stream'], 'stream') ?? false,
    includeUsage,
    hideThinking: readHideThinking(body),
    dropped: ledger.dropped,
  };
}

function readLogprobs(body: JsonObject): ChatRequest['logprobs'] {
  const wanted = boolean(body['logprobs'], 'logprobs') ?? false;
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  if (top !== undefined && !wanted) throw invalidValue('top_logprobs', 'top_logprobs requires logprobs to be true.');
  return wanted ? { top: top ?? 0 } : undefined;
}

/** Fields that change nothing here are still wrong where their type is. */
function checkDropped(body: JsonObject): void {
  const biases = object(body['logit_bias'], 'logit_bias') ?? {};
  for (const bias of Object.values(biases)) number(bias, 'logit_bias', -100, 100);
  object(body['metadata'], 'metadata');
  boolean(body['store'], 'store');
  string(body['user'], 'user');
  string(body['service_tier'], 'service_tier');
}
