import type { Environment } from './env.ts';
import { ConfigError } from './error.ts';
import { ollamaUrl } from './ollama-url.ts';
import type { UpstreamFileConfig } from './schema/upstreams.ts';
import type { UpstreamConfig, Upstreams } from './schema.ts';

/** Reads an environment variable; undefined when it is unset. */
export type ReadVariable = (name: string) => string | undefined;

/**
 * Builds the only upstream from a flag or variable. An address that ends in /v1 is the base URL of an OpenAI API; any
 * other is the address of an Ollama server.
 *
 * @param setting the flag or variable to name in an error
 * @throws {ConfigError} when `text` is not an address
 */
export function singleUpstream(setting: string, text: string, environment: Environment): Upstreams {
  const url = ollamaUrl(text, setting);
  const upstream: UpstreamConfig = url.endsWith('/v1')
    ? { name: 'openai', kind: 'openai', url }
    : { name: 'ollama', kind: 'ollama', url };
  return [withParallel(upstream, environment)];
}

/**
 * Completes the upstreams of the configuration file with their API keys. Without any, the upstream is OLLAMA_HOST, or Ollama
 * on this machine.
 *
 * @throws {ConfigError} when OLLAMA_HOST or a variable that `key_env` names is invalid, or the latter is unset
 */
export function fileOrDefaultUpstreams(
  entries: readonly UpstreamFileConfig[] = [],
  environment: Environment,
  readVariable: ReadVariable,
): Upstreams {
  const [first, ...others] = entries.map((entry, index) => withApiKey(entry, index, readVariable));
  if (first === undefined) return singleUpstream('OLLAMA_HOST', environment.OLLAMA_HOST ?? '', environment);
  // OLLAMA_NUM_PARALLEL describes one Ollama server, so it is ignored when there are several upstreams.
  return others.length === 0 ? [withParallel(first, environment)] : [first, ...others];
}

/** Applies OLLAMA_NUM_PARALLEL: a machine that sets it for Ollama usually sets it for llamaduct, too. */
function withParallel(upstream: UpstreamConfig, { OLLAMA_NUM_PARALLEL: parallel = '' }: Environment): UpstreamConfig {
  if (upstream.parallel !== undefined || upstream.kind !== 'ollama' || !/^[1-9]\d{0,3}$/.test(parallel))
    return upstream;
  return { ...upstream, parallel: Number(parallel) };
}

function withApiKey(
  { key_env: variable, ...upstream }: UpstreamFileConfig,
  index: number,
  readVariable: ReadVariable,
): UpstreamConfig {
  if (variable === undefined) return upstream;
  const key = readVariable(variable);
  if (key === undefined)
    throw new ConfigError(`upstreams[${index}].key_env: the environment variable ${variable} is not set`);
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new ConfigError(`${variable}: expected printable ASCII characters without spaces`);
  return { ...upstream, key };
}
