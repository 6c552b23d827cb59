import type { IncomingMessage } from 'node:http';
import type { TargetReader } from '../chat/protocol.ts';
import { GatewayError } from '../errors.ts';

/** The path of a request target, and the key and the model that it may name. */
export interface Target {
  /** The path of a route; undefined for a target that leads nowhere. */
  readonly path: string | undefined;
  /** The key in the base path, if keys are accepted there, or the one that a dialect has in the query. */
  readonly secret?: string;
  /** The model that the path names, as Azure OpenAI's deployments and the targets of some dialects do. It replaces that of the body. */
  readonly model?: string;
}

type HeaderReader = (name: string) => string | undefined;

/** The settings and headers that the reading of a target depends on. */
interface TargetOptions {
  /**
   * True to read a key in the base path, `/k/KEY/v1/models`, for clients that can be configured with nothing but an address.
   */
  readonly keysInPath: boolean;
  readonly readers: readonly TargetReader[];
  /** Returns a request header. */
  readonly header: HeaderReader;
}

const nowhere: Target = { path: undefined };

/**
 * Reads a request target: without doubled and trailing slashes, with the paths of Azure OpenAI led to those of OpenAI, and with
 * those of dialects that have more in them than a path led to their routes.
 *
 * No other target is changed. Dot segments, back slashes, encoded characters and an absolute form, which the router would
 * rewrite first, lead nowhere. Only the name of a model, which is data, may be percent-encoded.
 *
 * @param target path and query, as the client sent them
 */
export function readTarget(target: string, { keysInPath, readers, header }: TargetOptions): Target {
  // The common case, without the cost of parsing.
  if (/^\/(?:v1(?!\/models)|api)(?:\/[\w-]+)+$/.test(target)) return { path: target };
  const [given = ''] = target.split('?', 1);
  const query = target.slice(given.length + 1);
  if (!given.startsWith('/')) return nowhere;
  const path = given.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const [, encoded, rest] = (keysInPath && /^\/k\/([^/]+)(\/.*)?$/.exec(path)) || [];
  if (encoded === undefined) return routeOf(path, query, header, readers);
  const secret = decoded(encoded);
  return secret === undefined ? nowhere : { ...routeOf(rest ?? '/', query, header, readers), secret };
}

function routeOf(path: string, query: string, header: HeaderReader, readers: readonly TargetReader[]): Target {
  for (const reader of readers) {
    const { path: route, encodedModel, ...read } = reader(path, query, header) ?? {};
    if (route === undefined) continue;
    if (encodedModel === undefined) return { ...read, path: plainPath(route) };
    const model = modelIn(encodedModel);
    return model === undefined ? nowhere : { ...read, path: route, model };
  }
  return withoutAzure(path);
}

/** @returns the name of a model in a path; undefined for one that a parser would rewrite */
function modelIn(encoded: string): string | undefined {
  return plainPath(`/${encoded}`, true) === undefined ? undefined : decoded(encoded);
}

/** @see https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference */
function withoutAzure(path: string): Target {
  if (!path.startsWith('/openai/')) return { path: plainPath(path) };
  const [, deployment, rest] =
    /^\/openai\/deployments\/(.+?)\/((?:chat\/)?completions|embeddings|responses)$/.exec(path) ?? [];
  if (deployment === undefined) return { path: plainPath(path.replace(/^\/openai\/(?:v1\/)?/, '/v1/')) };
  const model = modelIn(deployment);
  return model === undefined ? nowhere : { path: `/v1/${rest}`, model };
}

/** @returns the path if no parser would rewrite it; otherwise undefined */
function plainPath(path: string, mayBeEncoded = /^\/v\w+\/models\//.test(path)): string | undefined {
  if (path.includes('%') && !mayBeEncoded) return undefined;
  return URL.parse(path, 'http://host')?.pathname === path ? path : undefined;
}

/** @returns undefined for text that is not percent-encoded correctly */
function decoded(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/**
 * @param url of the request
 * @param env of Node's server, which has the target as the client sent it
 * @returns the request target
 */
export function targetOf(url: string, env: { readonly incoming?: Pick<IncomingMessage, 'url'> } | undefined): string {
  if (env?.incoming?.url !== undefined) return env.incoming.url;
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The error for a path without a route. */
export function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is nothing at this path.');
}
