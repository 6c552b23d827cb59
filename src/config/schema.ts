import { z } from 'zod';
import { jwt } from './jwt.ts';
import { group, groupName, limitSet, queue } from './limits.ts';
import { images, modelRule } from './model-rules.ts';
import { type UpstreamFileConfig, health, retries, upstream } from './upstream.ts';
import { address, duration, origin, size, timeout } from './units.ts';

export const scopes = ['inference', 'admin', 'metrics'] as const;
export type Scope = (typeof scopes)[number];

const sha256 = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits, as `llamaduct keys new` prints');

/** What the metrics call requests without a key of the configuration. */
const reservedNames = /^(anonymous|env|none|metrics-token|token(-.*)?)$/;

/** One entry of `keys`. */
export const keySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, 'expected 1 to 64 letters, digits, dots, dashes, underscores or @')
    .refine(
      (name) => !reservedNames.test(name),
      'this name is taken: it stands for requests without a key of this file',
    )
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
      'Patterns of models the key may use; * stands for any text. Absent: those of its group, or all. Lists show these only.',
    ),
  expires: z
    .union(
      [z.iso.datetime({ offset: true }), z.iso.date()],
      'expected a date such as 2027-01-31, or a time such as 2027-01-31T18:00:00Z',
    )
    .optional()
    .describe('From when the key is refused: a date (as it begins in UTC), or a time with zone.'),
  hide_thinking: z.boolean().optional().describe('Keeps the thinking out of answers of /v1 to this key.'),
  group: groupName.optional().describe('One of `groups`.'),
  limits: limitSet.optional().describe("Its own; what it does not say is its group's."),
  retiring: z
    .strictObject({ hash: sha256, until: z.iso.datetime({ offset: true }) })
    .optional()
    .describe('The secret it had before, as `llamaduct keys rotate --keep` leaves it.'),
});

const timeouts = z.strictObject({
  body: timeout.prefault('60s').describe('To receive a whole request body.'),
  connect: timeout.prefault('5s').describe('To open a connection to the upstream.'),
  first_byte: timeout
    .prefault('30m')
    .describe(
      'Until the upstream answers. Loading a large model from a slow disk takes minutes, and so does waiting for a busy one.',
    ),
  idle: timeout.prefault('5m').describe('Between two pieces of an answer, from the upstream and to a client.'),
  first_token: timeout
    .prefault('0s')
    .describe(
      'From its turn at the upstream until something of an answer came, loading the model included; 0s for any time.',
    ),
  total: timeout.prefault('0s').describe('For a request and its whole answer, waiting included; 0s for any time.'),
  queue: timeout.prefault('10m').describe('For a turn, where `parallel` requests are under way.'),
  silence: timeout
    .prefault('10s')
    .describe('Until a stream that has nothing yet says so in a comment, and between such comments; 0s for never.'),
  drain: timeout
    .prefault('0s')
    .describe(
      'From SIGTERM until nothing new is taken: time for a load balancer to see that /readyz is 503. Kubernetes: 5s.',
    ),
  grace: timeout.prefault('30s').describe('For running answers to finish after that.'),
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
  depth: z.int().min(16).max(1000).default(128).describe('Objects and arrays of a JSON body within each other.'),
  connections: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Connections at a time, idle ones included. One more is closed at once.'),
});

const responses = z.strictObject({
  ttl: duration.prefault('24h').describe('How long an answer can be continued by previous_response_id, or read.'),
  entries: z.int().min(0).max(1_000_000).default(1000).describe('Answers that are kept in memory; 0 keeps none.'),
  bytes: size.prefault('64MiB').describe('Memory for them.'),
});

const valkey = z.strictObject({
  url: z
    .url({ protocol: /^(redis|valkey)s?$/, error: 'expected a URL such as redis://127.0.0.1:6379' })
    .describe('Where it listens.'),
  when_down: z
    .enum(['open', 'closed'])
    .default('open')
    .describe('Whether requests pass without their limits (open), or not at all (closed), while it does not answer.'),
});

const usage = z.strictObject({
  file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'An SQLite file, made where there is none; relative to this file. Absent: kept in memory, and gone with the process.',
    ),
  retention: duration.prefault('90d').describe('How long rows are kept.'),
});

const metrics = z.strictObject({
  listen: address
    .optional()
    .describe('An open listener of its own for /metrics. Absent: on the main listener, behind a key.'),
  token: sha256.optional().describe('SHA-256 of a bearer token that opens /metrics and nothing else.'),
});

/** The configuration file. Every key is optional: `llamaduct check FILE` names every fault with its line. */
const settings = z.strictObject({
  listen: address.prefault('127.0.0.1:11435').describe('The address to serve on.'),
  upstreams: z
    .array(upstream)
    .min(1)
    .max(64)
    .superRefine((upstreams, context) => {
      const names = upstreams.map(({ name }) => name);
      names.forEach((name, index) => {
        if (names.indexOf(name) < index)
          context.addIssue({ code: 'custom', path: [index, 'name'], message: 'another upstream has this name' });
      });
    })
    .optional()
    .describe('The servers to stand in front of: Ollamas, and such that speak the OpenAI API.'),
  health: health.prefault({}).describe('When an upstream is taken out, and comes back.'),
  retries: retries
    .prefault({})
    .describe('What fails before anything of an answer came is asked again, of another upstream where there is one.'),
  access: z
    .enum(['keys', 'open'])
    .default('keys')
    .describe(
      'keys: every request needs a key. open: anyone who reaches the address may chat and read /metrics; what changes the box still needs a key.',
    ),
  cors: z
    .array(origin)
    .default([])
    .describe('Origins whose pages may use this from a browser, for example https://chat.example.org. None: no CORS.'),
  jwt: jwt.optional().describe('Bearer tokens of an identity provider (OpenID Connect).'),
  groups: z.record(groupName, group).default({}).describe('What keys have in common, by the name of the group.'),
  queue: queue.prefault({}).describe('Requests that wait for an upstream whose `parallel` are taken.'),
  usage: usage.prefault({}).describe('A row for each request: who, when, which model, how many tokens. No content.'),
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
      const hashes = keys.flatMap(({ hash, retiring }, index) => [
        { hash, path: [index, 'hash'] },
        ...(retiring === undefined ? [] : [{ hash: retiring.hash, path: [index, 'retiring', 'hash'] }]),
      ]);
      hashes.forEach(({ hash, path }, index) => {
        if (hashes.findIndex((other) => other.hash === hash) < index)
          context.addIssue({ code: 'custom', path, message: 'another secret has this hash' });
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
  valkey: valkey
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

export const configSchema = settings.superRefine(
  ({ groups, keys, jwt: tokens, usage: { file }, valkey: shared }, context) => {
    const unknown = 'there is no group of this name';
    const byDefault = tokens?.default_group;
    if (byDefault !== undefined && !Object.hasOwn(groups, byDefault)) {
      context.addIssue({ code: 'custom', path: ['jwt', 'default_group'], message: unknown });
    }
    keys.forEach(({ group: name }, index) => {
      if (name === undefined || Object.hasOwn(groups, name)) return;
      context.addIssue({ code: 'custom', path: ['keys', index, 'group'], message: unknown });
    });
    if (file !== undefined || shared !== undefined) return;
    const lasting = [
      ...keys.map(({ limits: own }) => own),
      ...Object.values(groups).flatMap((of) => [of.limits, of.shared]),
    ];
    if (lasting.every((of) => of?.tokens_per_day === undefined && of?.tokens_per_month === undefined)) return;
    const message = 'tokens_per_day and tokens_per_month need a usage.file (or valkey), or a restart would forget them';
    context.addIssue({ code: 'custom', path: ['usage'], message });
  },
);

export type FileConfig = z.output<typeof configSchema>;
export type KeyConfig = FileConfig['keys'][number];
export type Address = FileConfig['listen'];

/** What the service runs with: the file with environment and flags laid over it, and the upstreams settled. */
export type Config = Omit<FileConfig, 'upstreams'> & { readonly upstreams: Upstreams };

export type Upstreams = readonly [UpstreamConfig, ...UpstreamConfig[]];

/** An upstream with its key, which only the environment holds. */
export type UpstreamConfig = Omit<UpstreamFileConfig, 'key_env'> & { readonly key?: string };
