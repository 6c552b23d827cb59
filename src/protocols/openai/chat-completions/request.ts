import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import { repeatRequest } from '../../choices.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, extraFields, readFields } from '../../field-table.ts';
import { defined, readObjectBody } from '../../fields.ts';
import { readSettings, settleFormat } from '../../settings.ts';
import { readThinking } from '../../thinking.ts';
import { readIncludeUsage } from '../request-fields.ts';
import { chatCompletionFields } from './fields.ts';
import { readResponseFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { type CustomTools, customToolsIn, readToolUse } from './tools.ts';

export interface ParsedChatCompletion {
  /** One for each of `n`. */
  readonly requests: readonly [ChatRequest, ...ChatRequest[]];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly hideThinking: boolean;
  /** True when the client knows `function_call` instead of `tool_calls`. */
  readonly usesFunctions: boolean;
  readonly customTools: CustomTools;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
}

/**
 * Reads the body of a chat completion request. Besides OpenAI's fields it takes Ollama's own, such as `options` and `think`,
 * which OpenAI SDKs pass on as extra fields, and other servers' names of some.
 *
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for two that contradict each other
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatCompletion(value: unknown): ParsedChatCompletion {
  const dropped = new DroppedFields();
  const values = readFields(chatCompletionFields, readObjectBody(value), dropped);
  // As in Ollama, it has no effect alone.
  if (values.logprobs !== true && values.top_logprobs) dropped.names.add('top_logprobs');
  const { hideThinking, ...think } = readThinking(values, dropped);
  const usesFunctions = values.functions !== undefined && values.tools === undefined;
  const request: ChatRequest = {
    kind: 'chat',
    model: values.model ?? '',
    messages: readMessages(values.messages, dropped),
    ...readSettings(values, dropped),
    ...readToolUse(values, dropped),
    ...think,
    ...extraFields(chatCompletionFields, values),
    ...defined({
      keepAlive: values.keep_alive,
      // The former API has room for one call.
      parallelToolCalls: usesFunctions ? false : values.parallel_tool_calls,
      format: values.response_format === undefined ? values.format : readFormats(values),
      logprobs: values.logprobs === true ? { top: values.top_logprobs ?? 0 } : undefined,
    }),
  };
  return {
    requests: repeatRequest(request, values.n ?? 1),
    stream: values.stream ?? false,
    includeUsage: readIncludeUsage(values.stream_options),
    hideThinking,
    usesFunctions,
    customTools: customToolsIn(values.tools),
    ...dropped.report(),
  };
}

type ChatValues = Values<typeof chatCompletionFields>;

/** @returns the format of `response_format`, beside which there may be Ollama's own `format` */
function readFormats({ response_format: given, format }: ChatValues): 'json' | JsonObject | undefined {
  return settleFormat(['response_format', readResponseFormat(given)], ['format', format]);
}
