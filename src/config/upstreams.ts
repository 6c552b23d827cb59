import type { Environment } from './env.ts';
import { ConfigError } from './error.ts';
import { ollamaUrl } from './ollama-url.ts';
import { type UpstreamFileConfig, pathFault } from './schema/upstreams.ts';
import type { UpstreamConfig, Upstreams } from './schema.ts';
import { readUpstreamTls } from './upstream-tls.ts';

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
  const fault = pathFault(upstream.kind, url);
  if (fault !== undefined) throw new ConfigError(`${setting}: ${fault}`);
  return [withParallel(upstream, environment)];
}

/**
 * Completes the upstreams of the configuration file with their API keys, certificates and values of headers. Without any,
 * the upstream is OLLAMA_HOST, or Ollama on this machine.
 *
 * @throws {ConfigError} when OLLAMA_HOST, or a variable or file that an upstream names, is invalid or missing
 */
export async function fileOrDefaultUpstreams(
  entries: readonly UpstreamFileConfig[] = [],
  environment: Environment,
  readVariable: ReadVariable,
): Promise<Upstreams> {
  const completed = entries.map(async (entry, index) => await complete(entry, `upstreams[${index}]`, readVariable));
  const [first, ...others] = await Promise.all(completed);
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

async function complete(
  entry: UpstreamFileConfig,
  setting: string,
  readVariable: ReadVariable,
): Promise<UpstreamConfig> {
  const { key_env: variable, headers, ca: _, cert: __, key: ___, insecure_skip_verify: ____, ...upstream } = entry;
  const tls = await readUpstreamTls(entry, setting);
  return {
    ...upstream,
    ...(variable !== undefined && { key: apiKeyFrom(variable, setting, readVariable) }),
    ...(tls !== undefined && { tls }),
    ...(headers !== undefined && { headers: expandHeaders(headers, `${setting}.headers`, readVariable) }),
  };
}

/** Reads an API key. @param setting names the setting in an error @throws {ConfigError} when it is unset or cannot be a header's value */
export function apiKeyFrom(variable: string, setting: string, readVariable: ReadVariable): string {
  const key = requireVariable(variable, `${setting}.key_env`, readVariable);
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new ConfigError(`${variable}: expected printable ASCII characters without spaces`);
}

/** Replaces `${NAME}` in the values of headers by the variable NAME. */
function expandHeaders(
  headers: Readonly<Record<string, string>>,
  setting: string,
  readVariable: ReadVariable,
): Record<string, string> {
  const expanded = Object.entries(headers).map(([name, text]): [string, string] => {
    const value = text.replace(/\$\{(\w+)\}/g, (_, variable: string) => {
      const part = requireVariable(variable, `${setting}.${name}`, readVariable);
      if (/^[\x20-\x7e]+$/.test(part)) return part;
      throw new ConfigError(`${variable}: expected printable ASCII characters`);
    });
    return [name.toLowerCase(), value];
  });
  return Object.fromEntries(expanded);
}

function requireVariable(variable: string, setting: string, readVariable: ReadVariable): string {
  const value = readVariable(variable);
  if (value !== undefined) return value;
  throw new ConfigError(`${setting}: the environment variable ${variable} is not set`);
}
