import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import type { HostedTools } from '../../../chat/search.ts';
import { isObject } from '../../../framing/json.ts';
import { repeatRequest } from '../../choices.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, extraFields, readFields } from '../../field-table.ts';
import { defined, readObjectBody } from '../../fields.ts';
import { HostedToolReader } from '../../hosted-tools.ts';
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
  /** The tools that OpenAI would run. */
  readonly hosted?: HostedTools;
}

/**
 * Reads the body of a chat completion request. Besides OpenAI's fields it takes Ollama's own, such as `options` and `think`,
 * which OpenAI SDKs pass on as extra fields, and other servers' names of some.
 *
 * @param canSearch true if this server searches the web
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for two that contradict each other
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function readChatCompletion(value: unknown, canSearch = false): ParsedChatCompletion {
  const dropped = new DroppedFields();
  const body = readObjectBody(value);
  const values = readFields(chatCompletionFields, body, dropped);
  const hostedTools = new HostedToolReader(canSearch);
  readSearchOptions(body, hostedTools, dropped);
  // As in Ollama, it has no effect alone.
  if (values.logprobs !== true && values.top_logprobs) dropped.names.add('top_logprobs');
  const { hideThinking, ...think } = readThinking(values, dropped);
  const { use, hosted } = readToolUse(values, dropped, hostedTools);
  const usesFunctions = values.functions !== undefined && values.tools === undefined;
  const request: ChatRequest = {
    kind: 'chat',
    model: values.model ?? '',
    messages: readMessages(values.messages, dropped),
    ...readSettings(values, dropped),
    ...use,
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
    ...(hosted && { hosted }),
    ...dropped.report(),
  };
}

/** Reads `web_search_options`. An empty object asks for a search too. */
function readSearchOptions(body: JsonObject, hosted: HostedToolReader, dropped: DroppedFields): void {
  const field = 'web_search_options';
  const options = body[field];
  if (options == null) return;
  if (hosted.add('web_search', isObject(options) ? options : {}, field)) dropped.names.delete(field);
  else dropped.names.add(field);
}

type ChatValues = Values<typeof chatCompletionFields>;

/** @returns the format of `response_format`, beside which there may be Ollama's own `format` */
function readFormats({ response_format: given, format }: ChatValues): 'json' | JsonObject | undefined {
  return settleFormat(['response_format', readResponseFormat(given)], ['format', format]);
}
