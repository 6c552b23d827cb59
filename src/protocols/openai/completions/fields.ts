import { type FieldTable, named, raw } from '../../field-table.ts';
import { boolean, integer, string } from '../../fields.ts';
import { completionFields } from '../request-fields.ts';

/** The fields of `POST /v1/completions`. */
export const textCompletionFields = {
  ...completionFields,
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
