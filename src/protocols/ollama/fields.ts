import { type Field, type FieldTable, named, raw, read } from '../field-table.ts';
import { array, boolean, string } from '../fields.ts';
import { embeddingSettingFields, readFormat, readTokenLimit, readTopLogprobs, settingFields } from '../settings.ts';
import { thinkingFields } from '../thinking.ts';

// Requests reach these tables only if they are translated for another kind of server: Ollama gets them unchanged.

/** A field that only Ollama has a use for. */
const ollamaOnly: Field = { effect: 'ollama' };

/** The fields that `/api/chat` and `/api/generate` share. */
export const commonFields = {
  ...settingFields,
  stream: { effect: 'any', read: boolean, note: 'Absent: true.' },
  format: { effect: 'any', read: readFormat },
  think: thinkingFields.think,
  truncate: { effect: 'ollama', read: boolean },
  logprobs: { effect: 'any', read: boolean },
  top_logprobs: { effect: 'any', read: readTopLogprobs, note: 'Named without `logprobs`.' },
  shift: ollamaOnly,
  _debug_render_only: ollamaOnly,
} as const satisfies FieldTable;

const call: Field = {
  effect: 'any',
  fields: {
    id: read,
    type: read,
    function: { effect: 'any', fields: { index: read, name: read, arguments: read } },
  },
};

const message: FieldTable = { role: read, content: read, images: read, thinking: read, tool_calls: call, name: named };

const functionFields: FieldTable = { name: read, description: read, parameters: read, strict: named };

/** The fields of `POST /api/chat`. */
export const chatFields = {
  ...commonFields,
  messages: {
    ...raw,
    fields: message,
    variantOf: 'role',
    variants: { tool: { ...message, name: read, tool_name: read, tool_call_id: read } },
  },
  tools: {
    effect: 'any',
    read: array,
    fields: { type: read, function: { effect: 'any', fields: functionFields } },
  },
  tool_choice: named,
} as const satisfies FieldTable;

/** The fields of `POST /api/generate`. */
export const generateFields = {
  ...commonFields,
  prompt: { effect: 'any', read: string },
  suffix: { effect: 'any', read: string },
  system: { effect: 'any', read: string, note: 'Named with `suffix`, as there is no place for it.' },
  images: raw,
  raw: { effect: 'any', read: boolean },
  template: ollamaOnly,
  context: ollamaOnly,
  width: ollamaOnly,
  height: ollamaOnly,
  steps: ollamaOnly,
} as const satisfies FieldTable;

/** The fields of `POST /api/embed`. */
export const embedFields = {
  ...embeddingSettingFields,
  input: raw,
  dimensions: { effect: 'any', read: readTokenLimit, note: 'Below 1: as many as the model makes.' },
  truncate: { effect: 'ollama', read: boolean },
} as const satisfies FieldTable;

/** The fields of `POST /api/embeddings`. */
export const legacyEmbeddingsFields = {
  ...embeddingSettingFields,
  prompt: { effect: 'any', read: string },
} as const satisfies FieldTable;
