import type { JsonObject } from '../../chat/request.ts';
import { readCount } from '../choices.ts';
import { type FieldTable, forwarded, named, read } from '../field-table.ts';
import { boolean, object } from '../fields.ts';
import { optionFields, settingFields, tokenLimit } from '../settings.ts';
import { thinkingFields } from '../thinking.ts';

/** The fields that OpenAI's APIs for texts have or take, without those of each. */
export const commonFields = {
  ...settingFields,
  ...optionFields,
  ...thinkingFields,
  stream: { effect: 'any', read: boolean },
  prompt_cache_key: forwarded('string'),
  prompt_cache_options: forwarded('object'),
  prompt_cache_retention: forwarded('string', ['in_memory', 'in-memory']),
  safety_identifier: forwarded('string'),
  service_tier: forwarded('string', ['standard']),
  user: forwarded('string'),
} as const satisfies FieldTable;

/** The fields that chat completions and completions share. */
export const completionFields = {
  ...commonFields,
  max_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  n: { effect: 'any', read: readCount, note: 'Below 1 is 1.' },
  logit_bias: forwarded('object'),
  stream_options: {
    effect: 'any',
    read: object,
    fields: { include_usage: read, include_obfuscation: { ...named, note: 'Streams are never obfuscated.' } },
  },
} as const satisfies FieldTable;

/** @returns true when the client wants the usage in the last chunk of the stream */
export function readIncludeUsage(options: JsonObject | undefined): boolean {
  return boolean(options?.['include_usage'], 'stream_options.include_usage') ?? false;
}
