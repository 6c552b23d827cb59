import { z } from 'zod';
import { displayName, modelPatterns } from './values.ts';

const tokens = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Usage limits of one key, or of a group. A limit that is absent does not apply. */
export const usageLimits = z.strictObject({
  requests_per_minute: z.int().min(1).max(1_000_000).optional().describe('Requests in a minute.'),
  tokens_per_minute: tokens.optional().describe('Tokens of prompts and answers in a minute.'),
  concurrent: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Requests at a time, those that wait included; one for several answers is one.'),
  max_tokens: tokens.optional().describe('The longest answer a request may ask for, in tokens.'),
  tokens_per_day: tokens.optional().describe('Tokens in a day of UTC.'),
  tokens_per_month: tokens.optional().describe('Tokens in a month of UTC.'),
});

const group = z.strictObject({
  limits: usageLimits.optional().describe('For each of its keys that has no such limit of its own.'),
  shared: usageLimits.omit({ max_tokens: true }).optional().describe('For all of its keys together.'),
  weight: z
    .number()
    .min(0.01)
    .max(100)
    .default(1)
    .describe('Of each of its keys in the queue: 2 gets twice what 1 gets.'),
  priority: z
    .enum(['interactive', 'batch'])
    .default('interactive')
    .describe('batch waits for interactive requests, without starving. Keys take turns in each.'),
  models: modelPatterns.optional().describe('For each of its keys that names no models.'),
});

/** `groups`: settings that several keys share, by group name. */
export const groups = z.record(displayName, group);

/** @returns the error message for a reference to a group that is not one of `defined` */
export function unknownGroup(name: string, defined: object): string {
  const names = Object.keys(defined);
  return `unknown group "${name}" (${names.length === 0 ? 'no groups are defined' : `defined groups: ${names.join(', ')}`})`;
}
