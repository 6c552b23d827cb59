import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { type Field, type FieldTable, named, read, raw } from '../../field-table.ts';
import { array, boolean, object, oneOf, string } from '../../fields.ts';
import { readTopLogprobs, tokenLimit } from '../../settings.ts';
import { thinkingFields } from '../../thinking.ts';
import { commonFields } from '../request-fields.ts';

/** The type of an item may be absent: then it is a message, or a reference. */
const itemTypeOf = ({ type, role }: JsonObject): unknown => type ?? (role == null ? 'item_reference' : 'message');

const part: FieldTable = { type: read, prompt_cache_breakpoint: named };
const text: FieldTable = { ...part, text: read, annotations: named, logprobs: named };

/** The parts of a content by their type. The reader of the input names parts of other types. */
const content: Field = {
  effect: 'any',
  variantOf: 'type',
  variants: {
    input_text: text,
    output_text: text,
    input_image: { ...part, image_url: read, file_id: read, detail: named },
    input_file: { ...part, filename: read, file_data: read, file_id: read, file_url: read, detail: named },
    refusal: { ...part, refusal: read },
  },
};

const item: FieldTable = { type: read, id: read, status: read };

/** The fields of an item of the input by its type. The reader of the input names items of other types. */
const itemFields: Readonly<Record<string, FieldTable>> = {
  message: { ...item, role: read, content, phase: named },
  function_call: { ...item, call_id: read, name: read, arguments: read, namespace: named, caller: named },
  function_call_output: { ...item, call_id: read, name: read, output: content, caller: named },
  reasoning: { ...item, summary: read, content: read, encrypted_content: named },
  item_reference: item,
};

const functionTool: FieldTable = {
  type: read,
  name: read,
  description: read,
  parameters: read,
  strict: { ...named, note: 'Calls are checked for their form only.' },
  defer_loading: named,
  allowed_callers: named,
  output_schema: named,
};

/** The fields of `POST /v1/responses`. */
export const responseFields = {
  ...commonFields,
  max_output_tokens: tokenLimit,
  input: { ...raw, variantOf: itemTypeOf, variants: itemFields },
  instructions: { effect: 'any', read: string },
  previous_response_id: { effect: 'any', read: (value: unknown, path: string) => string(value, path) || undefined },
  store: { effect: 'any', read: boolean, note: 'Absent: true.' },
  metadata: { ...raw, note: 'Stored, and repeated in the answer.' },
  stream_options: {
    effect: 'any',
    read: object,
    fields: { include_obfuscation: { ...named, note: 'Streams are never obfuscated.' } },
  },
  tools: { effect: 'any', read: array, variantOf: 'type', variants: { function: functionTool } },
  tool_choice: { ...raw, fields: { type: read, name: read, mode: read, tools: read, server_label: named } },
  parallel_tool_calls: { effect: 'any', read: boolean },
  text: {
    effect: 'any',
    read: object,
    fields: {
      format: { effect: 'any', fields: { type: read, name: read, description: read, schema: read, strict: read } },
      verbosity: { ...named, neutral: ['medium'] },
    },
  },
  reasoning: {
    ...thinkingFields.reasoning,
    fields: { ...thinkingFields.reasoning.fields, mode: named, context: named, generate_summary: named },
  },
  include: { effect: 'any', read: array, note: '`message.output_text.logprobs`; others are named.' },
  top_logprobs: { effect: 'any', read: readTopLogprobs, note: 'Named unless `include` has the log probabilities.' },
  truncation: { effect: 'ollama', read: readTruncation, note: '`auto`: a prompt that is too long is cut.' },
  background: refused('Background responses are not supported. Omit background.'),
  conversation: refused('Conversations are not supported. Send previous_response_id or all items.'),
  prompt: refused('Prompt templates are not supported. Send instructions and input.'),
  context_management: named,
  client_metadata: named,
  max_tool_calls: named,
  moderation: named,
} as const satisfies FieldTable;

/** A field without which the answer would be to another request. */
function refused(message: string): Field<never> {
  return {
    effect: 'refused',
    note: message,
    read(value, path) {
      if (value !== false && value !== '') throw invalidValue(path, message);
      return undefined;
    },
  };
}

function readTruncation(value: unknown, path: string): 'auto' | 'disabled' | undefined {
  return oneOf(value === '' ? undefined : value, path, ['auto', 'disabled']);
}
