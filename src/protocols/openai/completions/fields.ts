import { type FieldTable, named, raw } from '../../field-table.ts';
import { boolean, integer, string } from '../../fields.ts';
import { thinkingFields } from '../../thinking.ts';
import { completionFields } from '../request-fields.ts';

const { think, reasoning_effort, reasoning, thinking, enable_thinking, thinking_budget, chat_template_kwargs } =
  thinkingFields;

/** Other servers have no field for thinking here. */
const ollamaThinking = {
  think: { ...think, effect: 'ollama' },
  reasoning_effort: { ...reasoning_effort, effect: 'ollama' },
  reasoning: { ...reasoning, effect: 'ollama' },
  thinking: { ...thinking, effect: 'ollama' },
  enable_thinking: { ...enable_thinking, effect: 'ollama' },
  thinking_budget: { ...thinking_budget, effect: 'ollama' },
  chat_template_kwargs: { ...chat_template_kwargs, effect: 'ollama', isForwarded: false },
} as const satisfies FieldTable;

/** The fields of `POST /v1/completions`. */
export const textCompletionFields = {
  ...completionFields,
  ...ollamaThinking,
  prompt: raw,
  suffix: { effect: 'any', read: string },
  raw: { effect: 'any', read: boolean, note: "Ollama's. Other servers never use a template here." },
  echo: { effect: 'any', read: boolean },
  logprobs: { effect: 'any', read: readLogprobs, note: 'At most 20.' },
  best_of: { ...named, note: 'Not named if it is not more than `n`.' },
} as const satisfies FieldTable;

/** The number of alternatives. Clients of chat completions send false for none, and true for no alternatives. */
function readLogprobs(value: unknown, path: string): number | undefined {
  if (typeof value === 'boolean') return value ? 0 : undefined;
  return integer(value, path, 0, 20);
}
