import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { boolean, defined, integer, number, object, readObjectBody, string } from '../../fields.ts';
import {
  commonFields,
  readCommon,
  readEffort,
  readHideThinking,
  readIncludeUsage,
  repeatRequest,
} from '../request-fields.ts';
import { readResponseFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { readToolUse } from './tools.ts';

export interface ParsedChatCompletion {
  /** One for each of `n`. */
  readonly requests: readonly [ChatRequest, ...ChatRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly hideThinking: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
}

const knownFields: ReadonlySet<string> = new Set([
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
 * Reads the body of a chat completion request. Besides OpenAI's fields it takes Ollama's own `options`, `keep_alive`,
 * `think` and `format`, and `hide_thinking`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatCompletion(value: unknown): ParsedChatCompletion {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  const request: ChatRequest = {
    kind: 'chat',
    ...readCommon(body),
    messages: readMessages(body['messages'], dropped),
    ...readToolUse(body, dropped),
    ...defined({
      parallelToolCalls: boolean(body['parallel_tool_calls'], 'parallel_tool_calls'),
      format: readResponseFormat(body),
      think: readEffort(body, body['reasoning_effort'], 'reasoning_effort'),
      logprobs: readLogprobs(body),
    }),
  };
  checkDropped(body);
  const includeUsage = readIncludeUsage(body['stream_options'], dropped);
  dropped.addUnknown(body, knownFields);
  return {
    requests: repeatRequest(request, integer(body['n'], 'n', 1, 128) ?? 1),
    stream: boolean(body['stream'], 'stream') ?? false,
    includeUsage,
    hideThinking: readHideThinking(body),
    dropped: [...dropped.names],
  };
}

function readLogprobs(body: JsonObject): ChatRequest['logprobs'] | undefined {
  const enabled = boolean(body['logprobs'], 'logprobs') ?? false;
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  if (top !== undefined && !enabled) throw invalidValue('top_logprobs', 'top_logprobs requires logprobs to be true.');
  return enabled ? { top: top ?? 0 } : undefined;
}

/** Checks the types of fields that have no effect: a wrong type is still a 400. */
function checkDropped(body: JsonObject): void {
  const biases = object(body['logit_bias'], 'logit_bias') ?? {};
  for (const bias of Object.values(biases)) number(bias, 'logit_bias', -100, 100);
  object(body['metadata'], 'metadata');
  boolean(body['store'], 'store');
  string(body['user'], 'user');
  string(body['service_tier'], 'service_tier');
}
