import type { ResponseCreateParams } from 'openai/resources/responses/responses';
import type { ChatRequest, JsonObject, Message, Sampling } from '../../../chat/request.ts';
import { GatewayError, invalidValue } from '../../../errors.ts';
import { isObject } from '../../../framing/json.ts';
import {
  array,
  boolean,
  integer,
  number,
  object,
  oneOf,
  optional,
  readKeepAlive,
  required,
  string,
} from '../../fields.ts';
import { DroppedFields } from '../../dropped-fields.ts';
import { readHideThinking } from '../effort.ts';
import { readText } from './format.ts';
import { type InputEntry, named, readInput } from './input.ts';
import { readMetadata } from './metadata.ts';
import { echoed, readReasoning } from './reasoning.ts';
import type { Echo } from './response.ts';
import { readToolUse } from './tools.ts';

/** A request as far as it can be read without what was kept of earlier ones. */
export interface ReadResponse {
  /** Without its messages. */
  readonly request: Omit<ChatRequest, 'messages'>;
  /** Before all other messages, those of earlier responses included. */
  readonly instructions: readonly Message[];
  readonly input: readonly InputEntry[];
  readonly previous: string | undefined;
  readonly store: boolean;
  readonly stream: boolean;
  readonly hideThinking: boolean;
  readonly echo: Echo;
  readonly ledger: DroppedFields;
}

type Field = keyof ResponseCreateParams | 'options' | 'keep_alive' | 'think' | 'hide_thinking' | 'hidethinking';

const readFields: ReadonlySet<string> = new Set<Field>([
  ...(['model', 'input', 'instructions', 'previous_response_id', 'store', 'stream', 'stream_options'] as const),
  ...(['tools', 'tool_choice', 'parallel_tool_calls', 'text', 'reasoning', 'include', 'top_logprobs'] as const),
  ...(['max_output_tokens', 'temperature', 'top_p', 'truncation', 'metadata'] as const),
  ...(['background', 'conversation', 'prompt'] as const),
  ...(['options', 'keep_alive', 'think', 'hide_thinking', 'hidethinking'] as const),
]);

/** What would make another answer than the one that can be given. */
const unsupported: Readonly<Record<string, string>> = {
  background: 'Background responses are not supported. Omit background.',
  conversation: 'Conversations are not supported. Send previous_response_id or all items.',
  prompt: 'Prompt templates are not supported. Send instructions and input.',
};

/**
 * Reads the body of a request for a response. Beside OpenAI's fields it takes Ollama's own `options`, `keep_alive` and
 * `think`, and `hide_thinking`, which OpenAI SDKs pass on as extra fields.
 *
 * @throws {GatewayError} 400 with `param` for a field of the wrong type or out of range
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function readResponse(body: unknown): ReadResponse {
  if (!isObject(body)) throw new GatewayError('invalid_value', 'The request body must be a JSON object.');
  for (const [field, message] of Object.entries(unsupported)) {
    if (body[field] != null && body[field] !== false) throw invalidValue(field, message);
  }
  const ledger = new DroppedFields();
  const previous = string(body['previous_response_id'], 'previous_response_id');
  const instructions = string(body['instructions'], 'instructions');
  if (body['input'] == null && previous === undefined) throw invalidValue('input', 'input is required.');
  const tools = readToolUse(body, ledger);
  const text = readText(body, ledger);
  const reasoning = object(body['reasoning'], 'reasoning');
  const sampling = readSampling(body);
  const truncation = oneOf(body['truncation'], 'truncation', ['auto', 'disabled']) ?? 'disabled';
  const parallel = boolean(body['parallel_tool_calls'], 'parallel_tool_calls');
  const streamOptions = object(body['stream_options'], 'stream_options');
  ledger.note('stream_options.include_obfuscation', streamOptions?.['include_obfuscation']);
  const top = integer(body['top_logprobs'], 'top_logprobs', 0, 20);
  const read: ReadResponse = {
    request: {
      kind: 'chat',
      model: string(body['model'], 'model') ?? '',
      sampling,
      ...optional('options', object(body['options'], 'options')),
      ...optional('keepAlive', readKeepAlive(body['keep_alive'])),
      ...tools.request,
      ...optional('parallelToolCalls', parallel),
      ...text.request,
      ...optional('think', readReasoning(reasoning, body, ledger)),
      ...optional('logprobs', readLogprobs(body, top, ledger)),
      ...(truncation === 'auto' && { truncate: true }),
    },
    instructions: instructions === undefined ? [] : [{ role: 'system', text: instructions }],
    input: readInput(body['input'], ledger),
    previous,
    store: boolean(body['store'], 'store') ?? true,
    stream: boolean(body['stream'], 'stream') ?? false,
    hideThinking: readHideThinking(body),
    echo: {
      background: false,
      instructions: instructions ?? null,
      max_output_tokens: sampling.maxTokens ?? null,
      max_tool_calls: null,
      metadata: readMetadata(body['metadata']),
      parallel_tool_calls: parallel ?? true,
      previous_response_id: previous ?? null,
      reasoning: echoed(reasoning),
      service_tier: 'default',
      temperature: sampling.temperature ?? null,
      top_p: sampling.topP ?? null,
      top_logprobs: top ?? 0,
      truncation,
      ...text.echo,
      ...tools.echo,
    },
    ledger,
  };
  ledger.noteUnread(body, readFields);
  return read;
}

function readSampling(body: JsonObject): Sampling {
  return {
    ...optional('temperature', number(body['temperature'], 'temperature', 0, 2)),
    ...optional('topP', number(body['top_p'], 'top_p', 0, 1)),
    ...optional('maxTokens', integer(body['max_output_tokens'], 'max_output_tokens', 1)),
  };
}

/** Log probabilities are in the answer only where `include` asks for them. */
function readLogprobs(body: JsonObject, top: number | undefined, ledger: DroppedFields): ChatRequest['logprobs'] {
  let wanted = false;
  (array(body['include'], 'include') ?? []).forEach((each, index) => {
    const included = required(string(each, `include[${index}]`), `include[${index}]`);
    if (included === 'message.output_text.logprobs') wanted = true;
    else ledger.note(named('include', included), true);
  });
  if (wanted) return { top: top ?? 0 };
  ledger.note('top_logprobs', top === 0 ? undefined : top);
  return undefined;
}
