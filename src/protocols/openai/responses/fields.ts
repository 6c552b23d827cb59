import type { JsonObject } from '../../../chat/request.ts';
import { invalidValue } from '../../../errors.ts';
import { type Field, type FieldTable, named, read, raw } from '../../field-table.ts';
import { isObject } from '../../../framing/json.ts';
import { array, boolean, object, oneOf, required, string } from '../../fields.ts';
import { hostedKind } from '../../hosted-tools.ts';
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
const call: FieldTable = { ...item, call_id: read, caller: named };

/** The fields of an item of the input by its type. The reader of the input names items of other types. */
const itemFields: Readonly<Record<string, FieldTable>> = {
  message: { ...item, role: read, content, phase: named },
  function_call: { ...call, name: read, arguments: read, namespace: read },
  function_call_output: { ...call, name: read, output: content },
  custom_tool_call: { ...call, name: read, input: read, namespace: read },
  custom_tool_call_output: { ...call, output: content },
  tool_search_call: { ...call, execution: read, arguments: read },
  tool_search_output: { ...call, execution: read, tools: read },
  local_shell_call: { ...call, action: read },
  local_shell_call_output: { ...call, output: read },
  shell_call: { ...call, action: read, environment: named },
  shell_call_output: { ...call, output: read, max_output_length: named },
  apply_patch_call: { ...call, operation: read },
  apply_patch_call_output: { ...call, output: read },
  mcp_call: {
    ...call,
    server_label: named,
    name: read,
    arguments: read,
    output: read,
    error: read,
    approval_request_id: named,
  },
  code_interpreter_call: { ...call, code: read, outputs: read, container_id: named },
  file_search_call: { ...call, queries: read, results: read },
  image_generation_call: { ...call, result: read, revised_prompt: read },
  computer_call: { ...call, action: read, actions: read, pending_safety_checks: named },
  computer_call_output: { ...call, output: read, acknowledged_safety_checks: named },
  program: { ...call, code: read, fingerprint: named },
  program_output: { ...call, result: read },
  agent_message: { ...item, author: read, recipient: named, content: read },
  additional_tools: { ...item, role: read, tools: read },
  web_search_call: { ...item, action: read },
  compaction: { ...item, encrypted_content: read },
  compaction_trigger: item,
  reasoning: {
    ...item,
    summary: read,
    content: read,
    encrypted_content: { ...read, note: 'Named if it was not made here.' },
  },
  item_reference: item,
};

const tool: FieldTable = { type: read, name: read, description: read, allowed_callers: named, async: named };
const deferrable: FieldTable = {
  ...tool,
  defer_loading: { ...read, note: 'Has an effect if the client searches for tools.' },
};

/** A search that this server runs, if it has one. */
const searchTool: FieldTable = {
  type: read,
  filters: { effect: 'any', fields: { allowed_domains: read, blocked_domains: read } },
  user_location: read,
  search_context_size: read,
  external_web_access: { ...read, note: 'Search servers answer from an index in any case.' },
  search_content_types: { ...named, neutral: ['text'] },
};

/** The fields of a tool by its type. The reader of the tools names those of other types. */
const toolFields: Readonly<Record<string, FieldTable>> = {
  function: {
    ...deferrable,
    parameters: read,
    function: {
      effect: 'any',
      fields: { name: read, description: read, parameters: read, strict: { ...named, reportedAs: 'tools.strict' } },
      note: 'The form of chat completions.',
    },
    strict: { ...named, note: 'Calls are checked for their form only.' },
    output_schema: named,
  },
  custom: {
    ...deferrable,
    format: {
      ...read,
      note: 'The model is shown the grammar. An input that does not match is taken out of a code fence, if that helps.',
    },
  },
  namespace: {
    type: read,
    name: read,
    description: { ...read, note: 'Part of the description of its first tool.' },
    tools: read,
  },
  tool_search: { ...tool, execution: read, parameters: read },
  computer: { type: read },
  computer_use: { type: read },
  computer_use_preview: { type: read, display_width: read, display_height: read, environment: read },
  local_shell: { type: read },
  shell: { ...tool, environment: named },
  apply_patch: tool,
};

function isSearchType(type: unknown): boolean {
  return typeof type === 'string' && hostedKind(type) === 'web search';
}

/** The fields of `POST /v1/responses`. */
export const responseFields = {
  ...commonFields,
  max_output_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  max_tokens: tokenLimit,
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
  tools: {
    effect: 'any',
    read: array,
    variantOf: ({ type }) => (isSearchType(type) ? 'web_search' : type),
    variants: { ...toolFields, web_search: searchTool },
    note: 'Web search is run here if `web_search` is configured, otherwise named. Other tools that OpenAI runs are named.',
  },
  tool_choice: {
    ...raw,
    fields: { type: read, name: read, namespace: read, mode: read, tools: read, server_label: named },
  },
  parallel_tool_calls: { effect: 'any', read: boolean },
  text: {
    effect: 'any',
    read: object,
    fields: {
      format: { effect: 'any', fields: { type: read, name: read, description: read, schema: read, strict: read } },
      verbosity: { effect: 'openai', neutral: ['medium'] },
    },
  },
  reasoning: {
    ...thinkingFields.reasoning,
    fields: { ...thinkingFields.reasoning.fields, mode: named, context: named, generate_summary: named },
  },
  include: {
    effect: 'any',
    read: array,
    note: '`message.output_text.logprobs`, and `reasoning.encrypted_content`, which is plain text; others are named.',
  },
  top_logprobs: { effect: 'any', read: readTopLogprobs, note: 'Named unless `include` has the log probabilities.' },
  truncation: { effect: 'ollama', read: readTruncation, note: '`auto`: a prompt that is too long is cut.' },
  background: refused(
    'Background responses are not supported. Omit background; with stream, an answer may take as long as it needs.',
  ),
  conversation: { effect: 'any', read: readConversationId, fields: { id: read } },
  prompt: refused('Prompt templates are not supported. Send instructions and input.'),
  context_management: named,
  client_metadata: named,
  max_tool_calls: { ...named, note: 'Limits web searches, if `web_search` is configured.' },
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

/** @returns the id, which may be in an object */
function readConversationId(value: unknown, path: string): string | undefined {
  if (value === '') return undefined;
  return isObject(value) ? required(string, value['id'], `${path}.id`) : string(value, path);
}

function readTruncation(value: unknown, path: string): 'auto' | 'disabled' | undefined {
  return oneOf(value === '' ? undefined : value, path, ['auto', 'disabled']);
}
