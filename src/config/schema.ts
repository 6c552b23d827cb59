import { z } from 'zod';
import { modelKey, readConfiguredName } from '../chat/model-name.ts';
import { documents } from './schema/documents.ts';
import { groups, unknownGroup } from './schema/groups.ts';
import { embeddings } from './schema/embeddings.ts';
import { images } from './schema/images.ts';
import { jwt } from './schema/jwt.ts';
import { keys } from './schema/keys.ts';
import { hostName, keepAliveTimeout, socketMode, tls, tlsFault, trustedProxies } from './schema/listener.ts';
import { modelRule } from './schema/model-rules.ts';
import { limits, timeouts } from './schema/service-limits.ts';
import { responses, usage, valkey } from './schema/storage.ts';
import { type UpstreamFileConfig, health, queue, retries, upstreams } from './schema/upstreams.ts';
import { webSearch } from './schema/web-search.ts';
import { address, modelPattern, origin, sha256 } from './schema/values.ts';

export type { Address } from './schema/values.ts';
export { type KeyConfig, type Scope, keySchema, scopes } from './schema/keys.ts';

/** `metrics`: who may read /metrics, and on which address. */
const metrics = z.strictObject({
  listen: address
    .optional()
    .describe(
      'Serves /metrics on this separate address, without authentication. Absent: /metrics is on the main address and needs a key.',
    ),
  token: sha256.optional().describe('SHA-256 hash of a bearer token that can only read /metrics.'),
});

/** The settings of the configuration file, each checked by itself. All are optional. */
const settings = z.strictObject({
  listen: address
    .prefault('127.0.0.1:11435')
    .describe('Address to listen on: HOST:PORT, or unix:/PATH for a Unix socket.'),
  socket_mode: socketMode.prefault('0660').describe('Permissions of the Unix socket, an octal number in quotes.'),
  tls: tls.optional().describe('TLS certificate of the main listener. Absent: plain HTTP.'),
  keep_alive_timeout: keepAliveTimeout
    .prefault('65s')
    .describe('Time after which an idle connection is closed. Set it longer than that of a reverse proxy in front.'),
  trusted_proxies: trustedProxies
    .default([])
    .describe(
      "Networks of the reverse proxies in front of llamaduct: their X-Forwarded-For header gives the client's address. unix: whoever connects to the Unix socket.",
    ),
  upstreams: upstreams
    .optional()
    .describe(
      'The servers behind llamaduct: Ollama servers, and servers with an OpenAI-compatible API. Default: OLLAMA_HOST, or http://127.0.0.1:11434.',
    ),
  health: health.prefault({}).describe('When an upstream is ejected, and how often it is checked.'),
  retries: retries.prefault({}).describe('Retries of requests that fail before the first byte of the response.'),
  access: z
    .enum(['keys', 'open'])
    .default('keys')
    .describe(
      'keys: every request needs a key. open: no key is needed for inference and /metrics; endpoints that modify a server (pull, delete, …) still need one.',
    ),
  cors: z
    .array(origin)
    .default([])
    .describe(
      'Origins of the web pages that may send requests (CORS), for example https://chat.example.org. Empty: none.',
    ),
  keys_in_path: z
    .boolean()
    .default(false)
    .describe(
      'true: a key may also be the beginning of the path, /k/KEY/api/chat, for clients that can be configured with nothing but an address. Proxies in front of llamaduct may log it.',
    ),
  allowed_hosts: z
    .array(hostName)
    .default([])
    .describe(
      'Host names, in addition to local ones, under which requests without a key are served. Without any, the Host header is checked only on a loopback address; with some, on every address.',
    ),
  jwt: jwt.optional().describe('Accepts bearer tokens of an identity provider (OpenID Connect) in addition to keys.'),
  groups: groups.default({}).describe('Settings that several keys share, by group name.'),
  queue: queue.prefault({}).describe('The queue in front of each upstream that has `parallel`.'),
  usage: usage
    .prefault({})
    .describe('Usage accounting: one row per request with time, key, model, tokens and outcome, but no content.'),
  keys: keys.default([]).describe('The API keys.'),
  on_revoke: z
    .enum(['finish', 'cancel'])
    .default('finish')
    .describe(
      'Running responses of a key that a reload removes, or that may not do this any more: finish lets them end, cancel ends them with an error. What waits is refused in both cases.',
    ),
  aliases: z
    .record(
      modelPattern,
      z
        .string()
        .min(1)
        .regex(/^[^*]*$/, 'expected the name of a model, without *'),
    )
    .default({})
    .describe(
      'Alternative model names, for example gpt-4o-mini: llama3.1:8b. * matches any text: claude-*: qwen3-coder. Such an alias is not listed as a model.',
    ),
  default_model: z
    .string()
    .min(1)
    .optional()
    .describe('The model for requests that do not name one. Absent: such a request gets a 400.'),
  default_for_unknown: z
    .boolean()
    .default(false)
    .describe('true: default_model is also used for models that no upstream has.'),
  models: z.array(modelRule).default([]).describe('Rules for models. They apply to every client and endpoint.'),
  strict: z
    .boolean()
    .default(false)
    .describe(
      'true: a request with unsupported fields gets a 400. false: the fields are listed in the header x-llamaduct-dropped.',
    ),
  validate_json: z
    .boolean()
    .default(false)
    .describe(
      'true: checks non-streamed responses against the JSON Schema in the request, and generates once more when one does not match.',
    ),
  embeddings: embeddings.prefault({}).describe('The input of /v1/embeddings.'),
  images: images.prefault({}).describe('Images that a request refers to by URL.'),
  documents: documents.prefault({}).describe('Text of PDFs in requests.'),
  web_search: webSearch
    .optional()
    .describe(
      'The server that answers the web searches of models, for clients that ask for web search. Absent: such clients, and their models, are told that there is none.',
    ),
  reasoning_field: z
    .enum(['both', 'reasoning_content', 'reasoning'])
    .default('both')
    .describe('The field of a chat completion that contains the thinking. Clients differ in which one they read.'),
  responses: responses.prefault({}).describe('Storage of /v1/responses, for `previous_response_id`.'),
  valkey: valkey
    .optional()
    .describe(
      'A Valkey or Redis server where several llamaduct instances share limits and stored responses. Absent: each instance has its own, in memory.',
    ),
  limits: limits
    .prefault({})
    .describe('Limits that protect llamaduct itself. The limits of keys and groups are set there.'),
  timeouts: timeouts.prefault({}).describe('Timeouts of requests and of shutdown.'),
  metrics: metrics.prefault({}).describe('Address and authentication of /metrics.'),
  log_level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Lowest level that is logged, as JSON lines on standard error.'),
});

type Settings = z.output<typeof settings>;

/** The configuration file: all settings, and the checks that concern more than one of them. */
export const configSchema = settings.superRefine((file, context) => {
  requireKnownGroups(file, context);
  requireDurableCounters(file, context);
  requireDistinctAliases(file, context);
  const message = tlsFault(file.listen, file.tls);
  if (message !== undefined) context.addIssue({ code: 'custom', path: ['tls'], message });
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

/** Reports each alias that is another spelling of an earlier one, because a request can select only one of them. */
function requireDistinctAliases({ aliases }: Settings, context: z.RefinementCtx): void {
  const seen = new Map<string, string>();
  for (const alias of Object.keys(aliases)) {
    const key = modelKey(readConfiguredName(alias));
    const other = seen.get(key);
    if (other === undefined) seen.set(key, alias);
    else {
      const message = `another spelling of the alias ${JSON.stringify(other)}`;
      context.addIssue({ code: 'custom', path: ['aliases', alias], message });
    }
  }
}

/** The configuration file, parsed: durations in milliseconds, sizes in bytes, defaults filled in. */
export type FileConfig = z.output<typeof configSchema>;

/** The configuration that the service runs with: the file overlaid with environment and flags, with known upstreams. */
export type Config = Omit<FileConfig, 'upstreams' | 'web_search'> & {
  readonly upstreams: Upstreams;
  readonly web_search?: WebSearchConfig | undefined;
};

/** `web_search` with what only the environment holds. */
export type WebSearchConfig = NonNullable<FileConfig['web_search']> & { readonly key?: string };

export type Upstreams = readonly [UpstreamConfig, ...UpstreamConfig[]];

/** Texts in PEM, and whether the certificate of the server is verified. */
export interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized?: false;
}

/** An upstream with what only the environment and other files hold: its API key, certificates, and values of headers. */
export type UpstreamConfig = Omit<
  UpstreamFileConfig,
  'key_env' | 'headers' | 'ca' | 'cert' | 'key' | 'insecure_skip_verify'
> & {
  /** The server's own API key. */
  readonly key?: string;
  readonly tls?: UpstreamTls;
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
};
