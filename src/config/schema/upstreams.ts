import { z } from 'zod';
import { upstreamHeaders } from './upstream-headers.ts';
import { duration, requireUniqueNames, timeout } from './values.ts';

const pemFile = z.string().min(1);

const upstream = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/, 'expected up to 32 lower-case letters, digits, dashes or underscores')
    .default('ollama')
    .describe('A unique name. It is the `upstream` label of the metrics.'),
  kind: z
    .enum(['ollama', 'openai'])
    .default('ollama')
    .describe('The API of the server. openai: vLLM, llama.cpp server, LM Studio, or any other OpenAI-compatible API.'),
  url: z
    .url({ protocol: /^https?$/, error: 'expected a URL such as http://127.0.0.1:11434' })
    .refine((text) => !/[?#]/.test(text), 'expected a URL without a query string or fragment')
    .describe(
      'URL of the server. For kind openai, the base URL that OpenAI SDKs use; it usually ends in /v1. ' +
        'A user:password in it is sent as Basic authentication.',
    ),
  weight: z.number().min(0.01).max(100).optional().describe('Capacity in relation to the other upstreams. Absent: 1.'),
  parallel: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe(
      'Requests that are sent to the server at a time; all others wait in a fair queue. For Ollama, the value of its OLLAMA_NUM_PARALLEL. Absent: no limit and no queue.',
    ),
  models_in_memory: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'Models that the server keeps loaded at a time. For Ollama, the value of its OLLAMA_MAX_LOADED_MODELS. Absent: learned at run time.',
    ),
  key_env: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'expected the name of an environment variable')
    .optional()
    .describe("Name of the environment variable with the server's own API key, which is sent to it as a bearer token."),
  headers: upstreamHeaders
    .optional()
    .describe(
      'Headers to send with every request, by name. ${NAME} in a value is replaced by the environment variable NAME.',
    ),
  ca: pemFile
    .optional()
    .describe(
      'PEM file with the certificates of the authorities that may have issued the certificate of the server, instead of the public ones. Paths are relative to the folder of this file.',
    ),
  cert: pemFile.optional().describe('PEM file with the client certificate to present to the server.'),
  key: pemFile.optional().describe('PEM file with the private key of `cert`, without a passphrase.'),
  insecure_skip_verify: z
    .boolean()
    .default(false)
    .describe(
      'true: the certificate of the server is not verified. Everyone on the way to it can then read prompts and change responses.',
    ),
});

type Upstream = z.output<typeof upstream>;

/** One entry of `upstreams`, parsed. */
export type UpstreamFileConfig = z.output<typeof upstream>;

/** `upstreams`: the servers behind llamaduct. No two share a name. */
export const upstreams = z
  .array(upstream)
  .min(1)
  .max(64)
  .superRefine((list, context) => {
    requireUniqueNames(list, context, 'upstream');
    for (const [index, one] of list.entries()) {
      const [setting, message] = urlFault(one) ?? tlsFault(one) ?? authorizationFault(one) ?? [];
      if (setting !== undefined) context.addIssue({ code: 'custom', path: [index, setting], message });
    }
  });

type Fault = readonly [setting: keyof Upstream, message: string];

/** Paths of requests, which users copy from documentation together with the address. */
const endpoints =
  /\/(chat|completions|generate|embed|embeddings|messages|models|responses|show|tags|ps|version|pull)\/?$/;

/** @returns the fault in the path of a server's URL; undefined if there is none. The message does not repeat the URL. */
export function pathFault(kind: Upstream['kind'], url: string): string | undefined {
  // The check of the URL itself has reported one that cannot be parsed.
  const path = URL.parse(url)?.pathname.toLowerCase().replace(/\/+$/, '');
  if (path === undefined) return undefined;
  if (kind === 'openai') {
    if (path === '') return 'expected the base URL of the API with its path, which usually is /v1: http://HOST:PORT/v1';
    return endpoints.test(path) ? 'expected the base URL of the API, without the path of a request' : undefined;
  }
  const isBelow = (base: string): boolean => path.endsWith(base) || (path.includes(`${base}/`) && endpoints.test(path));
  if (isBelow('/v1')) {
    return 'expected the address of Ollama without /v1; for another server with an OpenAI API, set kind: openai';
  }
  return isBelow('/api') ? 'expected the address of Ollama without /api, such as http://127.0.0.1:11434' : undefined;
}

function urlFault({ kind, url }: Upstream): Fault | undefined {
  const message = pathFault(kind, url);
  return message === undefined ? undefined : ['url', message];
}

function tlsFault({ url, ca, cert, key, insecure_skip_verify: unverified }: Upstream): Fault | undefined {
  if (cert !== undefined && key === undefined) return ['cert', '`cert` needs `key`, the file with its private key'];
  if (key !== undefined && cert === undefined) {
    return ['key', '`key` is the file with the private key of `cert`; the name of an API key variable is `key_env`'];
  }
  if (ca !== undefined && unverified) return ['ca', '`ca` has no effect with `insecure_skip_verify`'];
  const set = ca !== undefined ? 'ca' : cert !== undefined ? 'cert' : unverified ? 'insecure_skip_verify' : undefined;
  return set !== undefined && !/^https:/i.test(url) ? [set, `\`${set}\` needs a URL with https`] : undefined;
}

function authorizationFault({ url, key_env: variable, headers = {} }: Upstream): Fault | undefined {
  if (!Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) return undefined;
  const { username = '', password = '' } = URL.parse(url) ?? {};
  if (variable === undefined && username === '' && password === '') return undefined;
  return ['headers', 'authorization is already set by `key_env` or by the user name and password in `url`'];
}

/** `health`: when an upstream is ejected, and how often it is probed. */
export const health = z.strictObject({
  interval: timeout
    .prefault('10s')
    .describe(
      'Time between two health checks; shorter at first for an ejected upstream. 0s: no health checks; one trial request at a time is sent to an ejected upstream.',
    ),
  failures: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe(
      'Consecutive failures after which an upstream is ejected: it gets no requests until a health check succeeds. After as many failures with one model, other upstreams get the requests for that model until it works again.',
    ),
  trials: z
    .enum(['probe', 'request'])
    .default('probe')
    .describe(
      'How a model that failed on an upstream is tried again. probe: llamaduct requests one token, when a client asks for the model. request: a request of a client is sent there. If no other upstream can serve the model, and with `interval: 0s`, requests of clients are used in any case.',
    ),
});

/** `retries`: requests that fail before the first byte of the response are sent again, to another upstream if there is one. */
export const retries = z.strictObject({
  attempts: z.int().min(1).max(10).default(3).describe('Attempts for one request, including the first.'),
  base: timeout
    .prefault('500ms')
    .describe(
      'Pause before the first retry on the same upstream; it doubles with each retry. There is no pause before a retry on another upstream.',
    ),
  cap: timeout.prefault('10s').describe('Longest pause.'),
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe(
      'Retry budget: retries in relation to all requests. Moving a request to another upstream after a lost connection is always allowed and not counted. 0: no other retries.',
    ),
});

/** `queue`: how requests wait for a slot of an upstream that has `parallel`. */
export const queue = z.strictObject({
  waiting: z.int().min(0).max(100_000).default(1000).describe('Requests that can wait; one more gets a 503.'),
  waiting_per_key: z
    .int()
    .min(0)
    .max(100_000)
    .default(100)
    .describe('Requests of one key that can wait; one more gets a 429.'),
  extra_wait: duration
    .prefault('60s')
    .describe(
      'Requests for a loaded model may go first, as long as this delays no other request by more than this time compared with the fair order. 0s: never.',
    ),
  batch_share: z
    .int()
    .min(2)
    .max(1000)
    .default(8)
    .describe('One in this many slots goes to batch requests when both kinds are waiting.'),
  slow: duration
    .prefault('10s')
    .describe(
      'A wait that the log reports, at most once a minute for each upstream; waits of batch requests are not reported. 0s: never.',
    ),
});
