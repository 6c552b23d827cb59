import { z } from 'zod';
import { groups, unknownGroup } from './schema/groups.ts';
import { images } from './schema/images.ts';
import { jwt } from './schema/jwt.ts';
import { keys } from './schema/keys.ts';
import { modelRule } from './schema/model-rules.ts';
import { limits, timeouts } from './schema/service-limits.ts';
import { responses, usage, valkey } from './schema/storage.ts';
import { type UpstreamFileConfig, health, queue, retries, upstreams } from './schema/upstreams.ts';
import { address, origin, sha256 } from './schema/values.ts';

export { type KeyConfig, type Scope, keySchema, scopes } from './schema/keys.ts';

/** `metrics`: who may read /metrics, and on which address. */
const metrics = z.strictObject({
  listen: address
    .optional()
    .describe('An open listener of its own for /metrics. Absent: on the main listener, behind a key.'),
  token: sha256.optional().describe('SHA-256 of a bearer token that opens /metrics and nothing else.'),
});

/** The settings of the configuration file, each checked by itself. All are optional. */
const settings = z.strictObject({
  listen: address.prefault('127.0.0.1:11435').describe('The address to serve on.'),
  upstreams: upstreams
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
  groups: groups.default({}).describe('What keys have in common, by the name of the group.'),
  queue: queue.prefault({}).describe('Requests that wait for an upstream whose `parallel` are taken.'),
  usage: usage.prefault({}).describe('A row for each request: who, when, which model, how many tokens. No content.'),
  keys: keys.default([]).describe('Who may come in.'),
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

type Settings = z.output<typeof settings>;

/** The configuration file: all settings, and the checks that concern more than one of them. */
export const configSchema = settings.superRefine((file, context) => {
  requireKnownGroups(file, context);
  requireDurableCounters(file, context);
});

/** Reports each reference to a group that `groups` does not define. */
function requireKnownGroups({ groups: defined, keys: list, jwt: tokens }: Settings, context: z.RefinementCtx): void {
  const references = [
    { name: tokens?.default_group, path: ['jwt', 'default_group'] },
    ...list.map(({ group }, index) => ({ name: group, path: ['keys', index, 'group'] })),
  ];
  for (const { name, path } of references) {
    if (name === undefined || Object.hasOwn(defined, name)) continue;
    context.addIssue({ code: 'custom', path, message: unknownGroup(name, defined) });
  }
}

/** Reports daily and monthly limits without a place that keeps their counters over a restart. */
function requireDurableCounters(file: Settings, context: z.RefinementCtx): void {
  if (file.usage.file !== undefined || file.valkey !== undefined) return;
  const limitSets = [
    ...file.keys.map((key) => key.limits),
    ...Object.values(file.groups).flatMap((group) => [group.limits, group.shared]),
  ];
  if (limitSets.every((set) => set?.tokens_per_day === undefined && set?.tokens_per_month === undefined)) return;
  const message =
    'tokens_per_day and tokens_per_month need usage.file or valkey, so that their counters survive a restart';
  context.addIssue({ code: 'custom', path: ['usage'], message });
}

/** The configuration file, parsed: durations in milliseconds, sizes in bytes, defaults filled in. */
export type FileConfig = z.output<typeof configSchema>;
export type Address = FileConfig['listen'];

/** The configuration that the service runs with: the file overlaid with environment and flags, with known upstreams. */
export type Config = Omit<FileConfig, 'upstreams'> & { readonly upstreams: Upstreams };

export type Upstreams = readonly [UpstreamConfig, ...UpstreamConfig[]];

/** An upstream with its API key, which only the environment holds. */
export type UpstreamConfig = Omit<UpstreamFileConfig, 'key_env'> & { readonly key?: string };
