import { z } from 'zod';
import { duration, size } from './values.ts';

/** `usage`: where the usage database is. */
export const usage = z.strictObject({
  file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'An SQLite file, made where there is none; relative to this file. Absent: kept in memory, and gone with the process.',
    ),
  retention: duration.prefault('90d').describe('How long rows are kept.'),
});

/** `responses`: how long and how many responses of /v1/responses are stored. */
export const responses = z.strictObject({
  ttl: duration.prefault('24h').describe('How long an answer can be continued by previous_response_id, or read.'),
  entries: z.int().min(0).max(1_000_000).default(1000).describe('Answers that are kept in memory; 0 keeps none.'),
  bytes: size.prefault('64MiB').describe('Memory for them.'),
});

/** `valkey`: a server that several llamaduct instances share for limits and stored responses. */
export const valkey = z.strictObject({
  url: z
    .url({ protocol: /^(redis|valkey)s?$/, error: 'expected a URL such as redis://127.0.0.1:6379' })
    .describe('Where it listens.'),
  when_down: z
    .enum(['open', 'closed'])
    .default('open')
    .describe('Whether requests pass without their limits (open), or not at all (closed), while it does not answer.'),
});
