import { z } from 'zod';
import { images, modelRule } from './model-rules.ts';
import { type UpstreamFileConfig, upstream } from './upstream.ts';
import { address, duration, size } from './units.ts';

export const scopes = ['inference', 'admin', 'metrics'] as const;
export type Scope = (typeof scopes)[number];

const sha256 = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits, as `llamaduct keys new` prints');

/** One entry of `keys`. */
export const keySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, 'expected 1 to 64 letters, digits, dots, dashes, underscores or @')
    .describe('Who holds the key. It is the `key` label of the metrics and stands in every log line.'),
  hash: sha256.describe('SHA-256 of the secret. The secret itself is stored nowhere.'),
  scopes: z
    .array(z.enum(scopes))
    .min(1)
    .default(['inference'])
    .describe('inference: chat, generate, embed, models. admin: pull, push, create, copy, delete. metrics: /metrics.'),
  models: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      "Patterns of models the key may use; * stands for any text. Absent: all. Ollama's own /api/tags and /api/ps list every name all the same.",
    ),
  expires: z
    .union(
      [z.iso.datetime({ offset: true }), z.iso.date()],
      'expected a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00Z',
    )
    .optional()
    .describe('From when the key is refused: a date (as it begins in UTC), or a time with zone.'),
  hide_thinking: z.boolean().optional().describe('Keeps the thinking out of answers of /v1 to this key.'),
});

const timeouts = z.strictObject({
  body: duration.prefault('60s').describe('To receive a whole request body.'),
  connect: duration.prefault('5s').describe('To open a connection to the upstream.'),
  first_byte: duration
    .prefault('30m')
    .describe(
      'Until the upstream answers. Loading a large model from a slow disk takes minutes, and so does waiting for a busy one.',
    ),
  idle: duration.prefault('5m').describe('Between two pieces of an answer.'),
  grace: duration.prefault('30s').describe('For running answers to finish after SIGTERM.'),
});

const limits = z.strictObject({
  body: size.prefault('64MiB').describe('A request body.'),
  line: size.prefault('8MiB').describe('One line of an upstream answer.'),
  in_flight: z
    .int()
    .min(1)
    .max(100_000)
    .default(1024)
    .describe('Requests at a time, over all keys. One more gets a 503.'),
  choices: z.int().min(1).max(128).default(8).describe('Answers to one request: its n, times its prompts.'),
});

const responses = z.strictObject({
  ttl: duration.prefault('24h').describe('How long an answer can be continued by previous_response_id, or read.'),
  entries: z.int().min(0).max(1_000_000).default(1000).describe('Answers that are kept in memory; 0 keeps none.'),
  bytes: size.prefault('64MiB').describe('Memory for them.'),
});

const metrics = z.strictObject({
  listen: address
    .optional()
    .describe('An open listener of its own for /metrics. Absent: on the main listener, behind a key.'),
  token: sha256.optional().describe('SHA-256 of a bearer token that opens /metrics and nothing else.'),
});

/** The configuration file. Every key is optional: `llamaduct check FILE` names every fault with its line. */
export const configSchema = z.strictObject({
  listen: address.prefault('127.0.0.1:11435').describe('The address to serve on.'),
  upstreams: z
    .array(upstream)
    .length(1, 'expected exactly one upstream')
    .optional()
    .describe('The server to stand in front of: an Ollama, or one that speaks the OpenAI API.'),
  access: z
    .enum(['keys', 'open'])
    .default('keys')
    .describe(
      'keys: every request needs a key. open: anyone who reaches the address may chat and read /metrics; what changes the box still needs a key.',
    ),
  keys: z
    .array(keySchema)
    .default([])
    .superRefine((keys, context) => {
      const names = keys.map(({ name }) => name);
      keys.forEach(({ models, scopes: held }, index) => {
        if (models !== undefined && held.includes('admin')) {
          const message = 'a key with the admin scope reaches every model; give this one no models, or no admin scope';
          context.addIssue({ code: 'custom', path: [index, 'models'], message });
        }
      });
      names.forEach((name, index) => {
        if (names.indexOf(name) < index)
          context.addIssue({ code: 'custom', path: [index, 'name'], message: 'another key has this name' });
      });
    })
    .describe('Who may come in.'),
  aliases: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Other names of models, for example gpt-4o-mini: llama3.1:8b.'),
  default_model: z.string().min(1).optional().describe('The model of requests that name none.'),
  default_for_unknown: z
    .boolean()
    .default(false)
    .describe('Whether default_model also stands in for models that the upstream does not have.'),
  models: z
    .array(modelRule)
    .default([])
    .describe('What you decide about requests, model by model, for every client and route.'),
  strict: z
    .boolean()
    .default(false)
    .describe('Refuses fields that would change nothing. Otherwise x-llamaduct-dropped names them.'),
  validate_json: z
    .boolean()
    .default(false)
    .describe('Checks whole answers against the JSON Schema they were asked to follow, and asks once more.'),
  images: images.prefault({}).describe('Images that a chat names by address.'),
  reasoning_field: z
    .enum(['both', 'reasoning_content', 'reasoning'])
    .default('both')
    .describe('Where a chat completion carries the thinking. Clients differ in what they read.'),
  responses: responses.prefault({}).describe('Answers of /v1/responses, which are kept so that they can be continued.'),
  valkey: z
    .url({ protocol: /^(redis|valkey)s?$/, error: 'expected a URL such as redis://127.0.0.1:6379' })
    .optional()
    .describe('A Valkey or Redis that keeps what several llamaducts share. Absent: each keeps its own, in memory.'),
  limits: limits.prefault({}).describe('Upper bounds on what one request may hold.'),
  timeouts: timeouts.prefault({}).describe('Deadlines.'),
  metrics: metrics.prefault({}).describe('Who may scrape /metrics, and where.'),
  log_level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('JSON lines on standard error.'),
});

export type FileConfig = z.output<typeof configSchema>;
export type KeyConfig = FileConfig['keys'][number];
export type Address = FileConfig['listen'];

/** What the service runs with: the file with environment and flags laid over it, and an upstream settled. */
export type Config = Omit<FileConfig, 'upstreams'> & { readonly upstream: UpstreamConfig };

/** An upstream with its key, which only the environment holds. */
export type UpstreamConfig = Omit<UpstreamFileConfig, 'key_env'> & { readonly key?: string };
