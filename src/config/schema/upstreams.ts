import { z } from 'zod';
import { duration, requireUniqueNames, timeout } from './values.ts';

const upstream = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'expected up to 32 lower-case letters, digits, dashes or underscores')
    .default('ollama')
    .describe('The `upstream` label of the metrics.'),
  kind: z
    .enum(['ollama', 'openai'])
    .default('ollama')
    .describe('What it speaks. openai: vLLM, the server of llama.cpp, LM Studio, or a service with an OpenAI API.'),
  url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as http://127.0.0.1:11434' })
    .describe(
      'Where it listens: of an Ollama the address, of kind openai with the path that SDKs take as base URL, usually /v1. ' +
        'user:password becomes Basic authentication.',
    ),
  weight: z.number().min(0.01).max(100).optional().describe('How much it can do, against the others. Absent: 1.'),
  parallel: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe(
      'Requests it gets at a time, for an Ollama its OLLAMA_NUM_PARALLEL; all others wait in a fair queue. Absent: as many as come.',
    ),
  models_in_memory: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Models it holds at a time, for an Ollama its OLLAMA_MAX_LOADED_MODELS. Absent: learned.'),
  key_env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'expected the name of an environment variable')
    .optional()
    .describe("Names the environment variable that holds the upstream's own key, sent to it as a bearer token."),
});

/** One entry of `upstreams`, parsed. */
export type UpstreamFileConfig = z.output<typeof upstream>;

/** `upstreams`: the servers behind llamaduct. No two share a name. */
export const upstreams = z
  .array(upstream)
  .min(1)
  .max(64)
  .superRefine((list, context) => requireUniqueNames(list, context, 'upstream'));

/** `health`: when an upstream is ejected, and how often it is probed. */
export const health = z.strictObject({
  interval: timeout
    .prefault('10s')
    .describe(
      'Between two looks at an upstream; at one that is out sooner. 0s for none: then one request at a time tries it.',
    ),
  failures: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe('In a row, until an upstream is asked no more but by looks at it.'),
});

/** `retries`: requests that fail before the first byte of the response are sent again, to another upstream if there is one. */
export const retries = z.strictObject({
  attempts: z.int().min(1).max(10).default(3).describe('How often a request is asked in all.'),
  base: timeout.prefault('500ms').describe('Until it is asked of the same upstream again; twice as long each time.'),
  cap: timeout.prefault('10s').describe('The longest of these pauses.'),
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe(
      'Of all requests, that may be asked again; 0 for none, but where an upstream was lost and another takes over.',
    ),
});

/** `queue`: how requests wait for a slot of an upstream that has `parallel`. */
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
