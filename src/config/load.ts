import { hashSecret, newSecret } from './secret.ts';
import { type Environment, readEnvironment, readVariable } from './env.ts';
import { ConfigError } from './error.ts';
import { readConfigFile } from './file.ts';
import { ollamaUrl } from './ollama-url.ts';
import {
  type Address,
  type Config,
  configSchema,
  type Scope,
  scopes,
  type UpstreamConfig,
  type Upstreams,
} from './schema.ts';
import type { UpstreamFileConfig } from './upstream.ts';
import { address } from './units.ts';

/** What the command line says. It wins over the environment, which wins over the file. */
export interface Flags {
  readonly config?: string | undefined;
  readonly upstream?: string | undefined;
  readonly listen?: string | undefined;
}

export interface Loaded {
  readonly config: Config;
  /** The configuration file, if there is one. */
  readonly file: string | undefined;
  /** Whether the upstream is only the default or OLLAMA_HOST, and no file asks for it: a demo may then stand in. */
  readonly upstreamIsGuess: boolean;
  /** Whether a flag or the environment says where to listen. */
  readonly listenIsExplicit: boolean;
}

/** A flag or a variable with the text it holds; flags first. */
type Setting = readonly [name: string, text: string | undefined];

/**
 * Lays flags over environment over file over defaults. Secrets of the environment are kept as hashes only.
 * @param variable reads one that the configuration names
 * @throws ConfigError
 */
export async function loadConfig(
  flags: Flags,
  environment: Environment = readEnvironment(),
  variable: (name: string) => string | undefined = readVariable,
): Promise<Loaded> {
  const file = flags.config ?? environment.LLAMADUCT_CONFIG;
  const { upstreams, ...fromFile } = file === undefined ? configSchema.parse({}) : await readConfigFile(file);
  const upstream = given(['--upstream', flags.upstream], ['LLAMADUCT_UPSTREAM', environment.LLAMADUCT_UPSTREAM]);
  const listen = given(['--listen', flags.listen], ['LLAMADUCT_LISTEN', environment.LLAMADUCT_LISTEN]);

  const config: Config = {
    ...fromFile,
    listen: listen === undefined ? fromFile.listen : parseAddress(...listen),
    upstreams:
      upstream === undefined
        ? (fromFileUpstreams(upstreams, environment, variable) ?? [guessedUpstream(environment)])
        : [withParallel(namedUpstream(...upstream), environment)],
    keys: [...fromFile.keys, ...keyFrom(environment)],
    metrics: { ...fromFile.metrics, ...tokenFrom(environment) },
  };
  if (file !== undefined && !hasWayIn(config)) throw new ConfigError(noWayIn(file));
  return {
    config: deepFreeze(config),
    file,
    upstreamIsGuess: file === undefined && upstream === undefined,
    listenIsExplicit: listen !== undefined,
  };
}

/** The same configuration with one more key, and that key's secret, which is stored nowhere else. */
export function withNewKey(
  config: Config,
  name: string,
  keyScopes: readonly Scope[],
): { config: Config; secret: string } {
  const secret = newSecret();
  const key = { name, hash: hashSecret(secret), scopes: [...keyScopes] };
  return { config: deepFreeze({ ...config, keys: [...config.keys, key] }), secret };
}

function given(...settings: readonly Setting[]): readonly [name: string, text: string] | undefined {
  for (const [name, text] of settings) if (text !== undefined) return [name, text];
  return undefined;
}

function parseAddress(name: string, text: string): Address {
  const parsed = address.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`${name}: ${parsed.error.issues[0]?.message}`);
}

function guessedUpstream(environment: Environment): UpstreamConfig {
  return withParallel(namedUpstream('OLLAMA_HOST', environment.OLLAMA_HOST ?? ''), environment);
}

/** Where an Ollama is told how many requests it takes at a time, llamaduct often is as well. */
function withParallel(upstream: UpstreamConfig, { OLLAMA_NUM_PARALLEL: parallel = '' }: Environment): UpstreamConfig {
  if (upstream.parallel !== undefined || upstream.kind !== 'ollama' || !/^[1-9]\d{0,3}$/.test(parallel))
    return upstream;
  return { ...upstream, parallel: Number(parallel) };
}

/** An address that ends in /v1 is what an OpenAI SDK takes as base URL. */
function namedUpstream(setting: string, text: string): UpstreamConfig {
  const url = ollamaUrl(text, setting);
  return url.endsWith('/v1') ? { name: 'openai', kind: 'openai', url } : { name: 'ollama', kind: 'ollama', url };
}

function fromFileUpstreams(
  upstreams: readonly UpstreamFileConfig[] = [],
  environment: Environment,
  variable: (name: string) => string | undefined,
): Upstreams | undefined {
  const [first, ...others] = upstreams.map((given, index) => withKey(given, index, variable));
  if (first === undefined) return undefined;
  // What the environment says of an Ollama is of one.
  return others.length === 0 ? [withParallel(first, environment)] : [first, ...others];
}

function withKey(
  { key_env: name, ...upstream }: UpstreamFileConfig,
  index: number,
  variable: (name: string) => string | undefined,
): UpstreamConfig {
  if (name === undefined) return upstream;
  const key = variable(name);
  if (key === undefined) throw new ConfigError(`upstreams[${index}].key_env: the environment has no ${name}`);
  if (!/^[\x21-\x7e]+$/.test(key)) throw new ConfigError(`${name}: expected a key without white space`);
  return { ...upstream, key };
}

function keyFrom({ LLAMADUCT_KEY: secret }: Environment): Config['keys'] {
  if (secret === undefined) return [];
  return [
    {
      name: 'env',
      hash: hashSecret(checkedSecret('LLAMADUCT_KEY', secret)),
      scopes: [...scopes],
    },
  ];
}

function tokenFrom({ LLAMADUCT_METRICS_TOKEN: secret }: Environment): Partial<Config['metrics']> {
  if (secret === undefined) return {};
  return { token: hashSecret(checkedSecret('LLAMADUCT_METRICS_TOKEN', secret)) };
}

function checkedSecret(name: string, secret: string): string {
  if (/^\S{16,}$/.test(secret)) return secret;
  throw new ConfigError(`${name}: expected at least 16 characters and no white space`);
}

/** Whether anybody could come in. */
export function hasWayIn({ access, jwt, keys }: Pick<Config, 'access' | 'jwt' | 'keys'>): boolean {
  return access === 'open' || jwt !== undefined || keys.length > 0;
}

function noWayIn(file: string): string {
  return (
    `${file} names no keys, so nobody could come in. Either add one (llamaduct keys new --name NAME prints the lines), ` +
    'or set LLAMADUCT_KEY, or write access: open to let in anyone who reaches the address.'
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
