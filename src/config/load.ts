import { type Environment, readEnvironment, readVariable } from './env.ts';
import { ConfigError } from './error.ts';
import { readConfigFile } from './file.ts';
import { type Address, type Config, configSchema, type Scope, scopes } from './schema.ts';
import { tlsFault } from './schema/listener.ts';
import { address } from './schema/values.ts';
import { hashSecret, newSecret } from './secret.ts';
import { type ReadVariable, fileOrDefaultUpstreams, singleUpstream } from './upstreams.ts';
import { withSearchKey } from './web-search.ts';

/** The flags that configure the service. They override the environment, which overrides the file. */
export interface Flags {
  readonly config?: string | undefined;
  readonly upstream?: string | undefined;
  readonly listen?: string | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Path of the configuration file; undefined when there is none. */
  readonly file: string | undefined;
  /** Paths of the other files that were read: the certificates of upstreams. */
  readonly certificates: readonly string[];
  /** True when there is no file and the upstream is OLLAMA_HOST or the default: the demo may then stand in for it. */
  readonly upstreamIsImplicit: boolean;
  /** True when a flag or the environment sets the address to listen on. */
  readonly listenIsExplicit: boolean;
  /** The flag or variable that replaces the upstreams of the file; undefined if none does. */
  readonly upstreamsReplacedBy: string | undefined;
}

/** The name of a flag or variable, and its value. */
type Setting = readonly [name: string, text: string | undefined];

/**
 * Builds the configuration from flags, environment, file and defaults, in this order of precedence. Of secrets in the
 * environment only the hashes are stored.
 *
 * @param variable reads a variable that the configuration file names
 * @returns the configuration, deeply frozen
 * @throws {ConfigError} when the file, a flag or a variable is invalid, or when no client could be authenticated
 */
export async function loadConfig(
  flags: Flags,
  environment: Environment = readEnvironment(),
  variable: ReadVariable = readVariable,
): Promise<LoadedConfig> {
  const file = flags.config ?? environment.LLAMADUCT_CONFIG;
  const { upstreams: entries, ...fromFile } = file === undefined ? configSchema.parse({}) : await readConfigFile(file);
  const upstream = firstSet(['--upstream', flags.upstream], ['LLAMADUCT_UPSTREAM', environment.LLAMADUCT_UPSTREAM]);
  const listen = firstSet(['--listen', flags.listen], ['LLAMADUCT_LISTEN', environment.LLAMADUCT_LISTEN]);

  const config: Config = {
    ...fromFile,
    listen: listen === undefined ? fromFile.listen : parseAddress(...listen),
    upstreams:
      upstream === undefined
        ? await fileOrDefaultUpstreams(entries, environment, variable)
        : singleUpstream(...upstream, environment),
    ...withSearchKey(fromFile.web_search, variable),
    keys: [...fromFile.keys, ...keyFrom(environment)],
    metrics: { ...fromFile.metrics, ...metricsTokenFrom(environment) },
  };
  const fault = tlsFault(config.listen, config.tls);
  if (fault !== undefined) throw new ConfigError(`tls: ${fault}`);
  if (file !== undefined && !admitsAnyClient(config)) throw new ConfigError(noClientMessage(file));
  return {
    config: deepFreeze(config),
    file,
    certificates: (upstream === undefined ? (entries ?? []) : []).flatMap(({ ca = [], cert = [], key = [] }) =>
      [ca, cert, key].flat(),
    ),
    upstreamIsImplicit: file === undefined && upstream === undefined,
    listenIsExplicit: listen !== undefined,
    upstreamsReplacedBy: entries === undefined ? undefined : upstream?.[0],
  };
}

/**
 * Adds a key with a new secret to a configuration.
 *
 * @returns a frozen copy of `config`, and the secret, which is stored nowhere else
 */
export function withNewKey(
  config: Config,
  name: string,
  keyScopes: readonly Scope[],
): { config: Config; secret: string } {
  const secret = newSecret();
  const key = { name, hash: hashSecret(secret), scopes: [...keyScopes] };
  return { config: deepFreeze({ ...config, keys: [...config.keys, key] }), secret };
}

/** True when at least one client could be authenticated, or when no key is needed. */
export function admitsAnyClient({ access, jwt, keys }: Pick<Config, 'access' | 'jwt' | 'keys'>): boolean {
  return access === 'open' || jwt !== undefined || keys.length > 0;
}

function firstSet(...settings: readonly Setting[]): readonly [name: string, text: string] | undefined {
  for (const [name, text] of settings) if (text !== undefined) return [name, text];
  return undefined;
}

function parseAddress(setting: string, text: string): Address {
  const parsed = address.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`${setting}: ${parsed.error.issues[0]?.message}`);
}

/** The key of LLAMADUCT_KEY: it is named `env` and has every scope. */
function keyFrom({ LLAMADUCT_KEY: secret }: Environment): Config['keys'] {
  if (secret === undefined) return [];
  return [{ name: 'env', hash: hashVariable('LLAMADUCT_KEY', secret), scopes: [...scopes] }];
}

function metricsTokenFrom({ LLAMADUCT_METRICS_TOKEN: secret }: Environment): Pick<Config['metrics'], 'token'> {
  if (secret === undefined) return {};
  return { token: hashVariable('LLAMADUCT_METRICS_TOKEN', secret) };
}

/** @throws {ConfigError} when the secret is too short or contains white space; the message does not repeat it */
function hashVariable(variable: string, secret: string): string {
  if (/^\S{16,}$/.test(secret)) return hashSecret(secret);
  throw new ConfigError(`${variable}: expected at least 16 characters and no white space`);
}

function noClientMessage(file: string): string {
  return (
    `${file} defines no keys, so every request would be rejected. Add a key with llamaduct keys new --name NAME ` +
    `--config ${file}, or set LLAMADUCT_KEY, or set access: open to serve everyone who can reach the address.`
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
