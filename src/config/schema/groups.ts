import { z } from 'zod';
import { nearest } from '../suggest.ts';
import { displayName, modelPatterns } from './values.ts';

const tokens = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Usage limits of one key, or of a group. A limit that is absent does not apply. */
export const usageLimits = z.strictObject({
  requests_per_minute: z.int().min(1).max(1_000_000).optional().describe('Requests per minute.'),
  tokens_per_minute: tokens.optional().describe('Prompt and response tokens per minute.'),
  concurrent: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Requests at a time, including those that wait. A request for several choices (n) counts once.'),
  max_tokens: tokens
    .optional()
    .describe(
      'Maximum tokens of one response. It replaces a higher value in a request and applies when there is none.',
    ),
  tokens_per_day: tokens.optional().describe('Prompt and response tokens per day (UTC).'),
  tokens_per_month: tokens.optional().describe('Prompt and response tokens per month (UTC).'),
});

const group = z.strictObject({
  limits: usageLimits.optional().describe('Limits of each key in the group. The limits of a key take precedence.'),
  shared: usageLimits.omit({ max_tokens: true }).optional().describe('Limits for all keys of the group in total.'),
  weight: z
    .number()
    .min(0.01)
    .max(100)
    .default(1)
    .describe('Share of each key in the queue: a key of weight 2 gets twice as many tokens as one of weight 1.'),
  priority: z
    .enum(['interactive', 'batch'])
    .default('interactive')
    .describe('batch requests wait for interactive ones, but never starve (see queue.batch_share).'),
  in_flight: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Requests at a time of each key in the group. Absent: a quarter of limits.in_flight.'),
  models: modelPatterns.optional().describe('Models for the keys of the group that have no `models`.'),
});

/** `groups`: settings that several keys share, by group name. */
export const groups = z.record(displayName, group);

/** @returns the error message for a reference to a group that is not one of `defined` */
export function unknownGroup(name: string, defined: object): string {
  const names = Object.keys(defined);
  const near = nearest(name, names);
  const suggestion = near === undefined ? '' : `; did you mean ${near}?`;
  const known = names.length === 0 ? 'no groups are defined' : `defined groups: ${names.join(', ')}`;
  return `unknown group "${name}"${suggestion} (${known})`;
}
