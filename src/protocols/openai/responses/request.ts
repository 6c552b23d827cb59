import type { ChatRequest, JsonObject, Message } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { type Values, extraFields, readFields } from '../../field-table.ts';
import { defined, integer, readObjectBody, required, string } from '../../fields.ts';
import { HostedToolReader } from '../../hosted-tools.ts';
import { readSettings } from '../../settings.ts';
import { readThinking } from '../../thinking.ts';
import { responseFields } from './fields.ts';
import { readTextFormat } from './format.ts';
import { type InputEntry, readInput } from './input.ts';
import { readMetadata } from './metadata.ts';
import { echoReasoning } from './reasoning.ts';
import type { Echo } from './response.ts';
import { type ToolChoice, type ToolList, readToolChoice, readTools } from './tools/index.ts';

/** A request, parsed as far as possible without the stored responses that it refers to. */
export interface ParsedResponse {
  readonly request: Omit<ChatRequest, 'messages' | 'tools' | 'toolChoice'>;
  readonly tools: ToolList;
  readonly toolChoice: ToolChoice;
  /** The tools that OpenAI would run. */
  readonly hosted: HostedToolReader;
  /** Come before all other messages, those of earlier responses included. */
  readonly instructions: readonly Message[];
  readonly input: readonly InputEntry[];
  /** The id of the response to continue. */
  readonly previousId: string | undefined;
  /** The id of the conversation to continue. */
  readonly conversationId: string | undefined;
  readonly store: boolean;
  readonly stream: boolean;
  readonly hideThinking: boolean;
  /** True to repeat thinking in `encrypted_content`. */
  readonly sealsReasoning: boolean;
  readonly echo: Echo;
  readonly dropped: DroppedFields;
}

/**
 * Reads the body of a request for a response. Besides OpenAI's fields it takes Ollama's own, such as `options` and `think`,
 * which OpenAI SDKs pass on as extra fields.
 *
 * @param canSearch true if this server searches the web
 * @throws {GatewayError} 400 with `param` for a field that cannot be read, and for two that contradict each other
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function readResponse(value: unknown, canSearch = false): ParsedResponse {
  const dropped = new DroppedFields();
  const body = readObjectBody(value);
  const read = readFields(responseFields, body, dropped);
  const hosted = new HostedToolReader(canSearch);
  const tools = readTools(read.tools ?? [], 'tools', dropped, hosted);
  const values = withoutSearchIncludes(read, hosted);
  const { previous_response_id: previousId, conversation: conversationId, instructions } = values;
  requireOneHistory(values);
  const toolChoice = readToolChoice(values.tool_choice || 'auto', dropped, hosted.searches);
  const settings = readRequest(values, dropped);
  return {
    request: settings.request,
    tools,
    toolChoice,
    hosted,
    instructions: instructions === undefined ? [] : [{ role: 'system', text: instructions }],
    input: readInput(values.input, dropped),
    previousId,
    conversationId,
    store: values.store ?? true,
    stream: values.stream ?? false,
    hideThinking: settings.hideThinking,
    sealsReasoning: values.include?.includes('reasoning.encrypted_content') === true,
    // Fields are sent in the order in which they are here.
    echo: {
      background: false,
      ...(conversationId !== undefined && { conversation: { id: conversationId } }),
      instructions: instructions ?? null,
      max_output_tokens: settings.request.sampling.maxTokens ?? null,
      max_tool_calls: readMaxToolCalls(body, hosted, dropped),
      metadata: readMetadata(values.metadata, dropped),
      parallel_tool_calls: settings.request.parallelToolCalls ?? true,
      previous_response_id: previousId ?? null,
      ...settings.echo,
      tools: tools.echo,
      tool_choice: toolChoice.echo,
    },
    dropped,
  };
}

/** @throws {GatewayError} 400 for a request that continues two histories, or has neither one nor an input */
function requireOneHistory({ previous_response_id: previousId, conversation, input }: ResponseValues): void {
  if (previousId !== undefined && conversation !== undefined) {
    throw new GatewayError(
      'mutually_exclusive_parameters',
      "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
      { param: 'previous_response_id' },
    );
  }
  if ((input ?? previousId ?? conversation) === undefined) throw invalidValue('input', 'input is required.');
}

/** @returns the values without what every item of a search contains, if the model may search */
function withoutSearchIncludes(values: ResponseValues, { searches }: HostedToolReader): ResponseValues {
  const { include } = values;
  if (!searches || include === undefined) return values;
  return { ...values, include: include.filter((name) => name !== searchSources) };
}

const searchSources = 'web_search_call.action.sources';

/** Only searches count: calls of all other tools are the client's. @returns null without a limit, or without searches */
function readMaxToolCalls(body: JsonObject, hosted: HostedToolReader, dropped: DroppedFields): number | null {
  const most = hosted.searches ? integer(body['max_tool_calls'], 'max_tool_calls', 1) : undefined;
  if (most === undefined) return null;
  dropped.names.delete('max_tool_calls');
  hosted.limit(most);
  return most;
}

type ResponseValues = Values<typeof responseFields>;

type SettingsEcho = Pick<
  Echo,
  'reasoning' | 'service_tier' | 'temperature' | 'top_p' | 'top_logprobs' | 'truncation' | 'text'
>;

interface Settings {
  readonly request: ParsedResponse['request'];
  readonly echo: SettingsEcho;
  readonly hideThinking: boolean;
}

/** Reads everything but the conversation. */
function readRequest(values: ResponseValues, dropped: DroppedFields): Settings {
  const text = readTextFormat(values.text);
  const { sampling, options } = readSettings(values, dropped);
  const { hideThinking, think } = readThinking(values, dropped);
  const { truncation = 'disabled' } = values;
  return {
    hideThinking,
    request: {
      kind: 'chat',
      model: values.model ?? '',
      sampling,
      ...text.request,
      ...readExtra(values),
      ...defined({
        options,
        keepAlive: values.keep_alive,
        parallelToolCalls: values.parallel_tool_calls,
        think,
        logprobs: readLogprobs(values, dropped),
        truncate: truncation === 'auto' ? true : undefined,
      }),
    },
    echo: {
      reasoning: echoReasoning(values.reasoning),
      service_tier: 'default',
      temperature: sampling.temperature ?? null,
      top_p: sampling.topP ?? null,
      top_logprobs: values.top_logprobs ?? 0,
      truncation,
      ...text.echo,
    },
  };
}

/** Reads the fields that only servers with OpenAI's chat completions have, which have `verbosity` outside of `text`. */
function readExtra(values: ResponseValues): Pick<ChatRequest, 'extra'> {
  const read = extraFields(responseFields, values);
  const verbosity = string(values.text?.['verbosity'], 'text.verbosity') ?? 'medium';
  if (verbosity === 'medium') return read;
  const { fields = {}, names = [] } = read.extra ?? {};
  return { extra: { fields: { ...fields, verbosity }, names: [...names, 'text.verbosity'] } };
}

/** The answer contains log probabilities only if `include` lists them; `top_logprobs` alone has no effect. */
function readLogprobs(
  { include = [], top_logprobs: top = 0 }: ResponseValues,
  dropped: DroppedFields,
): ChatRequest['logprobs'] | undefined {
  let included = false;
  include.forEach((item, index) => {
    const name = required(string, item, `include[${index}]`);
    if (name === 'message.output_text.logprobs') included = true;
    else if (name !== 'reasoning.encrypted_content') dropped.addUnknown('include.', name);
  });
  if (included) return { top };
  if (top > 0) dropped.names.add('top_logprobs');
  return undefined;
}
