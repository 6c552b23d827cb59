import { z } from 'zod';
import { duration, size } from './values.ts';

/** `usage`: where the usage database is. */
export const usage = z.strictObject({
  file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'SQLite database, relative to the folder of this file; created if it does not exist. Absent: usage is only in memory and lost when the process ends.',
    ),
  retention: duration.prefault('90d').describe('How long rows are stored.'),
});

/** `responses`: how long and how many responses of /v1/responses and conversations are stored. */
export const responses = z.strictObject({
  ttl: duration.prefault('24h').describe('How long a response is stored, and a conversation after its last change.'),
  entries: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(1000)
    .describe(
      'Maximum number of responses and conversations in memory, for all keys; when it is reached, the key that stores the most loses its oldest. With `valkey`: for each key. 0: none are stored.',
    ),
  bytes: size
    .prefault('64MiB')
    .describe('Maximum memory for stored responses and conversations, counted in the same way.'),
});

/** `valkey`: a server that several llamaduct instances share for limits and stored responses. */
export const valkey = z.strictObject({
  url: z
    .url({ protocol: /^(redis|valkey)s?$/, error: 'expected a URL such as redis://127.0.0.1:6379' })
    .describe('URL of the server.'),
  when_down: z
    .enum(['open', 'closed'])
    .default('open')
    .describe('While the server does not answer: open serves requests without checking limits, closed rejects them.'),
});
