import type { JsonObject } from '../../../chat/request.ts';
import { type Field, type FieldTable, named, read, raw } from '../../field-table.ts';
import { array, boolean, object } from '../../fields.ts';
import { optionFields, readStop, settingFields, tokenLimit } from '../../settings.ts';
import { hostedKind } from '../../hosted-tools.ts';
import { thinkingFields } from '../../thinking.ts';

/** May be in any object, and has one name for all. */
const cacheControl: Field = { ...named, reportedAs: 'cache_control' };

const block: FieldTable = { type: read, cache_control: cacheControl };
const citations: Field = { effect: 'any', fields: { enabled: { ...named, reportedAs: 'messages.content.citations' } } };

/** The blocks that may be in other blocks, by their type. */
const innerBlocks: Readonly<Record<string, FieldTable>> = {
  text: { ...block, text: read, citations: named },
  image: { ...block, source: read, transformations: named },
};
const innerContent: Field = { effect: 'any', variantOf: 'type', variants: innerBlocks };

const source: Field = {
  effect: 'any',
  fields: { type: read, media_type: read, data: read, url: read, file_id: read, content: innerContent },
};

/** The blocks of a result of a tool. */
const resultBlocks: Readonly<Record<string, FieldTable>> = {
  ...innerBlocks,
  document: { ...block, source, title: read, context: read, citations },
  search_result: { ...block, source: read, title: read, content: innerContent, citations },
  tool_reference: { ...block, tool_name: read },
};

/** The blocks of a content by their type. The reader of messages names blocks of other types. */
const blocks: Readonly<Record<string, FieldTable>> = {
  ...resultBlocks,
  thinking: { ...block, thinking: read, signature: read },
  tool_use: { ...block, id: read, name: read, input: read, caller: read, toolset_name: named },
  tool_result: {
    ...block,
    tool_use_id: read,
    content: { effect: 'any', variantOf: 'type', variants: resultBlocks },
    is_error: read,
    toolset_name: named,
  },
  tool_search_tool_result: { ...block, tool_use_id: read, content: read },
  tool_addition: { ...block, tool: read },
  tool_removal: { ...block, tool: read },
  compaction: { ...block, content: read, encrypted_content: named, signature: read, tool_changes: read },
  server_tool_use: { ...block, id: read, name: read, input: read, caller: read },
  web_search_tool_result: {
    ...block,
    tool_use_id: read,
    content: {
      effect: 'any',
      fields: { type: read, title: read, url: read, encrypted_content: read, page_age: read, error_code: read },
    },
    caller: read,
  },
};

const content: Field = { effect: 'any', variantOf: 'type', variants: blocks };

const tool: FieldTable = {
  type: read,
  name: read,
  description: read,
  input_schema: read,
  cache_control: cacheControl,
  strict: { ...named, note: 'Calls are checked for their form only.' },
  allowed_callers: named,
  defer_loading: { ...read, note: 'The model gets the tool once a message loads it.' },
  eager_input_streaming: named,
  input_examples: named,
};

/** A search that this server runs, if it has one. Its types have a date: `web_search_20250305`. */
const searchTool: FieldTable = {
  type: read,
  name: read,
  max_uses: read,
  allowed_domains: read,
  blocked_domains: read,
  user_location: read,
  cache_control: cacheControl,
  strict: named,
  allowed_callers: named,
  defer_loading: named,
  response_inclusion: named,
};

/** The same in OpenAI's form. */
const functionFields: FieldTable = { name: read, description: read, parameters: read, strict: named };
const openaiTool: FieldTable = { ...functionFields, type: read, function: { effect: 'any', fields: functionFields } };

function isSearchType(type: unknown): boolean {
  return typeof type === 'string' && hostedKind(type) === 'web search';
}

/** Anthropic has objects for the words of OpenAI. */
function readToolChoice(value: unknown, path: string): JsonObject | undefined {
  if (typeof value !== 'string' || value === '') return object(value, path);
  return { type: value === 'required' ? 'any' : value };
}

/** The fields of `POST /v1/messages` and of `POST /v1/messages/count_tokens`. */
export const messagesFields = {
  ...settingFields,
  ...optionFields,
  ...thinkingFields,
  max_tokens: { ...tokenLimit, note: 'Required. 0 only evaluates the prompt; negative numbers are no limit.' },
  messages: { ...raw, fields: { role: read, content } },
  system: { ...raw, ...content },
  tools: {
    effect: 'any',
    read: array,
    variantOf: ({ type = 'custom' }) => (isSearchType(type) ? 'web_search' : type),
    variants: { custom: tool, function: openaiTool, web_search: searchTool },
    note: 'Web search is run here if `web_search` is configured, otherwise named. Other server tools are named.',
  },
  tool_choice: {
    effect: 'any',
    read: readToolChoice,
    fields: { type: read, name: read, disable_parallel_tool_use: read },
  },
  thinking: {
    ...thinkingFields.thinking,
    fields: { ...thinkingFields.thinking.fields, block_binding: named },
    note: 'Budgets become levels. `between_tools` is named.',
  },
  output_config: {
    effect: 'any',
    read: object,
    fields: { effort: read, format: { effect: 'any', fields: { type: read, schema: read } }, task_budget: named },
  },
  output_format: { effect: 'any', read: object, fields: { type: read, schema: read } },
  stop_sequences: { effect: 'any', read: readStop, note: 'Empty sequences are left out.' },
  stream: { effect: 'any', read: boolean },
  cache_control: cacheControl,
  betas: named,
  billing_policy: named,
  compaction: named,
  container: named,
  context_management: named,
  diagnostics: named,
  fallback_credit_token: named,
  fallbacks: named,
  inference_geo: named,
  mcp_servers: named,
  metadata: named,
  service_tier: { ...named, neutral: ['standard'] },
  speed: { ...named, neutral: ['standard'] },
  thread: named,
  user_profile_id: named,
  workspace_id: named,
} as const satisfies FieldTable;
