import type { ResponseCreateParams } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject, Message, Sampling } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import {
  array,
  boolean,
  defined,
  integer,
  number,
  object,
  oneOf,
  readObjectBody,
  required,
  string,
} from '../../fields.ts';
import { readKeepAlive } from '../../shared-fields.ts';
import { readHideThinking } from '../request-fields.ts';
import { droppedName } from './dropped-name.ts';
import { readTextFormat } from './format.ts';
import { type InputEntry, readInput } from './input.ts';
import { readMetadata } from './metadata.ts';
import { echoReasoning, readReasoning } from './reasoning.ts';
import type { Echo } from './response.ts';
import { readToolUse } from './tools.ts';

/** A request, parsed as far as possible without the stored responses that it refers to. */
export interface ParsedResponse {
  readonly request: Omit<ChatRequest, 'messages'>;
  /** Come before all other messages, those of earlier responses included. */
  readonly instructions: readonly Message[];
  readonly input: readonly InputEntry[];
  /** The id of the response to continue. */
  readonly previousId: string | undefined;
  readonly store: boolean;
  readonly stream: boolean;
  readonly hideThinking: boolean;
  readonly echo: Echo;
  readonly dropped: DroppedFields;
}

type Field = keyof ResponseCreateParams | 'options' | 'keep_alive' | 'think' | 'hide_thinking' | 'hidethinking';

const knownFields: ReadonlySet<string> = new Set<Field>([
  ...(['model', 'input', 'instructions', 'previous_response_id', 'store', 'stream', 'stream_options'] as const),
  ...(['tools', 'tool_choice', 'parallel_tool_calls', 'text', 'reasoning', 'include', 'top_logprobs'] as const),
  ...(['max_output_tokens', 'temperature', 'top_p', 'truncation', 'metadata'] as const),
  ...(['background', 'conversation', 'prompt'] as const),
  ...(['options', 'keep_alive', 'think', 'hide_thinking', 'hidethinking'] as const),
]);

/** Fields that are refused instead of dropped: without them the answer would be to another request. */
const unsupported: Readonly<Record<string, string>> = {
  background: 'Background responses are not supported. Omit background.',
  conversation: 'Conversations are not supported. Send previous_response_id or all items.',
  prompt: 'Prompt templates are not supported. Send instructions and input.',
};

/**
 * Reads the body of a request for a response. Besides OpenAI's fields it takes Ollama's own `options`, `keep_alive` and
 * `think`, and `hide_thinking`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function readResponse(value: unknown): ParsedResponse {
  const body = readObjectBody(value);
  for (const [field, message] of Object.entries(unsupported)) {
    if (body[field] != null && body[field] !== false) throw invalidValue(field, message);
  }
  const dropped = new DroppedFields();
  const previousId = string(body['previous_response_id'], 'previous_response_id');
  const instructions = string(body['instructions'], 'instructions');
  if (body['input'] == null && previousId === undefined) throw invalidValue('input', 'input is required.');
  const settings = readSettings(body, dropped);
  const parsed: ParsedResponse = {
    request: settings.request,
    instructions: instructions === undefined ? [] : [{ role: 'system', text: instructions }],
    input: readInput(body['input'], dropped),
    previousId,
    store: boolean(body['store'], 'store') ?? true,
    stream: boolean(body['stream'], 'stream') ?? false,
    hideThinking: readHideThinking(body),
    // Fields are sent in the order in which they are here.
    echo: {
      background: false,
      instructions: instructions ?? null,
      max_output_tokens: settings.request.sampling.maxTokens ?? null,
      max_tool_calls: null,
      metadata: readMetadata(body['metadata']),
      parallel_tool_calls: settings.request.parallelToolCalls ?? true,
      previous_response_id: previousId ?? null,
      ...settings.echo,
    },
    dropped,
  };
  dropped.addUnknown(body, knownFields);
  return parsed;
}

type SettingsEcho = Pick<
  Echo,
  | 'reasoning'
  | 'service_tier'
  | 'temperature'
  | 'top_p'
  | 'top_logprobs'
  | 'truncation'
  | 'text'
  | 'tools'
  | 'tool_choice'
>;

/** Reads everything but the conversation. */
function readSettings(
  body: JsonObject,
  dropped: DroppedFields,
): { readonly request: ParsedResponse['request']; readonly echo: SettingsEcho } {
  const tools = readToolUse(body, dropped);
  const text = readTextFormat(body, dropped);
  const reasoning = object(body['reasoning'], 'reasoning');
  const sampling = readSampling(body);
  const truncation = oneOf(body['truncation'], 'truncation', ['auto', 'disabled']) ?? 'disabled';
  const parallelToolCalls = boolean(body['parallel_tool_calls'], 'parallel_tool_calls');
  const streamOptions = object(body['stream_options'], 'stream_options');
  dropped.add('stream_options.include_obfuscation', streamOptions?.['include_obfuscation']);
  const topLogprobs = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  return {
    request: {
      kind: 'chat',
      model: string(body['model'], 'model') ?? '',
      sampling,
      ...tools.request,
      ...text.request,
      ...defined({
        options: object(body['options'], 'options'),
        keepAlive: readKeepAlive(body['keep_alive']),
        parallelToolCalls,
        think: readReasoning(reasoning, body, dropped),
        logprobs: readLogprobs(body, topLogprobs, dropped),
        truncate: truncation === 'auto' ? true : undefined,
      }),
    },
    echo: {
      reasoning: echoReasoning(reasoning),
      service_tier: 'default',
      temperature: sampling.temperature ?? null,
      top_p: sampling.topP ?? null,
      top_logprobs: topLogprobs ?? 0,
      truncation,
      ...text.echo,
      ...tools.echo,
    },
  };
}

function readSampling(body: JsonObject): Sampling {
  return defined({
    temperature: number(body['temperature'], 'temperature', 0, 2),
    topP: number(body['top_p'], 'top_p', 0, 1),
    maxTokens: integer(body['max_output_tokens'], 'max_output_tokens', 1),
  });
}

/** The answer contains log probabilities only if `include` lists them; `top_logprobs` alone has no effect. */
function readLogprobs(
  body: JsonObject,
  top: number | undefined,
  dropped: DroppedFields,
): ChatRequest['logprobs'] | undefined {
  let included = false;
  (array(body['include'], 'include') ?? []).forEach((item, index) => {
    const name = required(string, item, `include[${index}]`);
    if (name === 'message.output_text.logprobs') included = true;
    else dropped.add(droppedName('include', name), true);
  });
  if (included) return { top: top ?? 0 };
  dropped.add('top_logprobs', top === 0 ? undefined : top);
  return undefined;
}
