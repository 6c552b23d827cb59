import { z } from 'zod';
import { duration } from './units.ts';

const tokens = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Bounds on what a key, or a group, may use. */
export const limitSet = z.strictObject({
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

export const groupName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, 'expected 1 to 64 letters, digits, dots, dashes, underscores or @');

export const priority = z.enum(['interactive', 'batch']);

const models = z.array(z.string().min(1)).min(1);

/** What keys have in common. */
export const group = z.strictObject({
  limits: limitSet.optional().describe('For each of its keys that has no such limit of its own.'),
  shared: limitSet.omit({ max_tokens: true }).optional().describe('For all of its keys together.'),
  weight: z
    .number()
    .min(0.01)
    .max(100)
    .default(1)
    .describe('Of each of its keys in the queue: 2 gets twice what 1 gets.'),
  priority: priority
    .default('interactive')
    .describe('batch waits for interactive requests, without starving. Keys take turns in each.'),
  models: models.optional().describe('For each of its keys that names no models.'),
});

/** How requests wait for the upstream. */
export const queue = z.strictObject({
  waiting: z.int().min(0).max(100_000).default(1000).describe('Requests that may wait. One more gets a 503.'),
  waiting_per_key: z.int().min(0).max(100_000).default(100).describe('Of one key. One more gets a 429.'),
  extra_wait: duration
    .prefault('60s')
    .describe(
      'How much later than in the fair order a request may start, so that models are swapped less; 0s for not at all.',
    ),
  batch_share: z.int().min(2).max(1000).default(8).describe('Of every so many turns one is for batch requests.'),
});
