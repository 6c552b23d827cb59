import type { JsonObject } from '../../../chat/request.ts';
import { type FieldTable, forwarded, named, raw, read } from '../../field-table.ts';
import { array, boolean, object, oneOf, required, string } from '../../fields.ts';
import { readFormat, readTopLogprobs } from '../../settings.ts';
import { isFlatTool } from '../../tools.ts';
import { completionFields } from '../request-fields.ts';

const part: FieldTable = { type: read, prompt_cache_breakpoint: named };

/** The parts of a content by their type. The reader of messages names parts of other types. */
const contentParts: Readonly<Record<string, FieldTable>> = {
  text: { ...part, text: read },
  refusal: { ...part, refusal: read },
  image_url: { ...part, image_url: { effect: 'any', fields: { url: read, detail: named } } },
  input_audio: { ...part, input_audio: { effect: 'any', fields: { data: read, format: read } } },
  file: { ...part, file: { effect: 'any', fields: { filename: read, file_data: read, file_id: read } } },
};

const message: FieldTable = {
  role: read,
  content: { effect: 'any', variantOf: 'type', variants: contentParts },
  name: { ...named, note: 'The author. In a result the tool, which is read.' },
};

const call: FieldTable = { name: read, arguments: read };

/** The fields of a message by its role. */
const messageFields: Readonly<Record<string, FieldTable>> = {
  assistant: {
    ...message,
    refusal: read,
    reasoning_content: read,
    reasoning: read,
    tool_calls: {
      effect: 'any',
      fields: {
        id: read,
        index: read,
        type: read,
        function: { effect: 'any', fields: call },
        custom: { effect: 'any', fields: { name: read, input: read } },
      },
    },
    function_call: { effect: 'any', fields: call },
    audio: named,
    annotations: named,
  },
  tool: { ...message, name: read, tool_call_id: read },
  function: { ...message, name: read },
};

const functionFields: FieldTable = {
  name: read,
  description: read,
  parameters: read,
  strict: { ...named, note: 'Calls are checked for their form only.' },
};

/** The fields of `POST /v1/chat/completions`. */
export const chatCompletionFields = {
  ...completionFields,
  messages: { ...raw, fields: message, variantOf: 'role', variants: messageFields },
  tools: {
    effect: 'any',
    read: array,
    fields: {
      type: read,
      function: { effect: 'any', fields: functionFields },
      custom: { effect: 'any', fields: { name: read, description: read, format: read } },
    },
    variantOf: (tool) => (isFlatTool(tool) ? 'flat' : undefined),
    variants: { flat: { type: read, ...functionFields, input_schema: read, format: read } },
  },
  tool_choice: {
    ...raw,
    fields: {
      type: read,
      function: { effect: 'any', fields: { name: read } },
      custom: { effect: 'any', fields: { name: read } },
      allowed_tools: { effect: 'any', fields: { mode: read, tools: read } },
      name: { ...read, note: 'The form of the Responses API, like `mode` and `tools`.' },
      mode: read,
      tools: read,
    },
  },
  parallel_tool_calls: { effect: 'any', read: boolean },
  functions: { effect: 'any', read: array, fields: functionFields, note: 'The former name of `tools`.' },
  function_call: {
    effect: 'any',
    read: readFunctionCall,
    fields: { name: read },
    note: 'The former name of `tool_choice`.',
  },
  response_format: {
    ...raw,
    fields: {
      type: read,
      schema: read,
      json_schema: { effect: 'any', fields: { name: read, description: read, schema: read, strict: read } },
    },
  },
  format: { effect: 'any', read: readFormat, note: "Ollama's." },
  logprobs: { effect: 'any', read: readLogprobs },
  top_logprobs: { effect: 'any', read: readTopLogprobs, note: 'Named without `logprobs`.' },
  audio: named,
  modalities: { ...named, neutral: ['text'] },
  metadata: forwarded('object'),
  moderation: named,
  prediction: forwarded('object'),
  store: forwarded('boolean'),
  verbosity: forwarded('string', ['medium']),
  web_search_options: { ...named, note: 'The model may search if `web_search` is configured.' },
} as const satisfies FieldTable;

/** Clients of completions send the number of alternatives. */
function readLogprobs(value: unknown, path: string): boolean | undefined {
  return typeof value === 'number' ? value > 0 : boolean(value, path);
}

/** Reads the former `function_call`: a word, or an object with a name. @returns the same as a `tool_choice` */
function readFunctionCall(value: unknown, path: string): string | JsonObject | undefined {
  if (typeof value === 'string') return oneOf(value === '' ? undefined : value, path, ['auto', 'none']);
  const called = object(value, path);
  if (called === undefined) return undefined;
  return { type: 'function', function: { name: required(string, called['name'], `${path}.name`) } };
}
