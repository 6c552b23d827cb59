import type { ChatRequest, JsonObject } from '../../../chat/request.ts';
import type { HostedTools } from '../../../chat/search.ts';
import { invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, extraFields, readFields } from '../../field-table.ts';
import { defined, readObjectBody } from '../../fields.ts';
import { HostedToolReader } from '../../hosted-tools.ts';
import { readSettings } from '../../settings.ts';
import { readThinking } from '../../thinking.ts';
import { isCacheWarming } from './cache-warming.ts';
import { messagesFields } from './fields.ts';
import { readOutputFormat } from './format.ts';
import { readMessages } from './messages.ts';
import { readToolUse } from './tools.ts';

export interface ParsedMessage {
  readonly requests: readonly [ChatRequest];
  readonly stream: boolean;
  readonly hideThinking: boolean;
  /** True when the client wants the thinking back as a signature only. */
  readonly omitsThinking?: boolean;
  /** True when the prompt only has to be evaluated. */
  readonly warmsCache?: boolean;
  /** True when the answer has to contain the stop sequence that ended it. */
  readonly reportsStop: boolean;
  /** Fields that have no effect. */
  readonly dropped: readonly string[];
  readonly spellings?: ReadonlyMap<string, string> | undefined;
  /** The tools that Anthropic would run. */
  readonly hosted?: HostedTools;
}

/**
 * Reads the body of a request for a message. Besides Anthropic's fields it takes Ollama's own, such as `options` and `think`,
 * which SDKs pass on as extra fields.
 *
 * @param canSearch true if this server searches the web
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for two that contradict each other
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function readMessageRequest(value: unknown, canSearch = false): ParsedMessage {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  const values = readFields(messagesFields, body, dropped);
  if (body['max_tokens'] == null) throw invalidValue('max_tokens', 'max_tokens is required.');
  const { hideThinking, prompt, hosted } = readPrompt(values, body, dropped, canSearch);
  const settings = readSettings(values, dropped);
  return {
    requests: [
      {
        ...prompt,
        ...settings,
        ...extraFields(messagesFields, values),
        ...defined({ format: readOutputFormat(values) }),
      },
    ],
    stream: values.stream ?? false,
    hideThinking,
    ...(omitsThinking(values) && { omitsThinking: true }),
    ...(isCacheWarming(body['max_tokens']) && { warmsCache: true }),
    reportsStop: settings.sampling.stop !== undefined,
    ...(hosted && { hosted }),
    ...dropped.report(),
  };
}

/**
 * Reads the body of a request to count tokens. It becomes a request with the same prompt for one token, without a format
 * that this token could violate.
 *
 * @throws {GatewayError} 400 with `param`
 * @see https://platform.claude.com/docs/en/api/messages-count-tokens
 */
export function readTokenCountRequest(value: unknown, canSearch = false): ParsedMessage {
  const body = readObjectBody(value);
  const dropped = new DroppedFields();
  const values = readFields(messagesFields, body, dropped);
  const { prompt, hosted } = readPrompt(values, body, dropped, canSearch);
  const request: ChatRequest = { ...prompt, ...readSettings(values, dropped), sampling: { maxTokens: 1 } };
  return {
    requests: [request],
    stream: false,
    hideThinking: false,
    reportsStop: false,
    dropped: [...dropped.names],
    ...(hosted && { hosted }),
  };
}

/** True if only `thinking.display` hides the thinking. */
function omitsThinking(values: Values<typeof messagesFields>): boolean {
  const { thinking } = values;
  if (!isObject(thinking) || thinking['display'] !== 'omitted') return false;
  return !readThinking({ ...values, thinking: { ...thinking, display: null } }, new DroppedFields()).hideThinking;
}

interface Prompt {
  readonly prompt: Omit<ChatRequest, 'sampling' | 'options'>;
  readonly hideThinking: boolean;
  readonly hosted?: HostedTools;
}

/** Reads the fields that affect the number of input tokens. An absent model is '': there may be a default. */
function readPrompt(
  values: Values<typeof messagesFields>,
  body: JsonObject,
  dropped: DroppedFields,
  canSearch: boolean,
): Prompt {
  const { hideThinking, ...think } = readThinking(values, dropped, values.output_config?.['effort']);
  const hostedTools = new HostedToolReader(canSearch);
  const servers = body['mcp_servers'];
  if (Array.isArray(servers) && servers.length > 0) hostedTools.miss('MCP servers');
  const { use, hosted, findTool } = readToolUse(values, { messages: body['messages'], hosted: hostedTools }, dropped);
  return {
    hideThinking,
    ...(hosted && { hosted }),
    prompt: {
      kind: 'chat',
      model: values.model ?? '',
      messages: readMessages(body, dropped, findTool),
      ...use,
      ...think,
      ...defined({ keepAlive: values.keep_alive }),
    },
  };
}
