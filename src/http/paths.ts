import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';

/** The path of a request target, and the key and the model that it may name. */
export interface Target {
  /** The path of a route; undefined for a target that leads nowhere. */
  readonly path: string | undefined;
  /** The key in the base path, if keys are accepted there, or in the query of a path of Google's. */
  readonly secret?: string;
  /** The model that the path names, as Azure OpenAI's deployments and Google's methods do. It replaces that of the body. */
  readonly model?: string;
}

const nowhere: Target = { path: undefined };

/**
 * Reads a request target: without doubled and trailing slashes, and with the paths of Azure OpenAI led to those of OpenAI, and
 * those of Google's methods to a route of each method.
 *
 * No other target is changed. Dot segments, back slashes, encoded characters and an absolute form, which the router would
 * rewrite first, lead nowhere. Only the name of a model, which is data, may be percent-encoded.
 *
 * @param keysInPath true to read a key in the base path, `/k/KEY/v1/models`, for clients that can be configured with nothing
 *   but an address
 */
export function readTarget(target: string, keysInPath: boolean): Target {
  // The common case, without the cost of parsing.
  if (/^\/(?:v1|api)(?:\/[\w-]+)+$/.test(target)) return { path: target };
  const [given = ''] = target.split('?', 1);
  const query = target.slice(given.length + 1);
  if (!given.startsWith('/')) return nowhere;
  const path = given.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const [, encoded, rest] = (keysInPath && /^\/k\/([^/]+)(\/.*)?$/.exec(path)) || [];
  if (encoded === undefined) return routeOf(path, query);
  const secret = decoded(encoded);
  return secret === undefined ? nowhere : { ...routeOf(rest ?? '/', query), secret };
}

function routeOf(path: string, query: string): Target {
  const [, model, method] = /^\/v1(?:beta|alpha)?\/models\/(.+):(\w+)$/.exec(path) ?? [];
  const isMethod = method !== undefined && googleMethods.has(method);
  if (!isMethod && !path.startsWith('/v1beta/')) return withoutAzure(path);
  const parameters = new URLSearchParams(query);
  const secret = parameters.get('key');
  const target = isMethod ? methodOf(model ?? '', method, parameters) : { path: plainPath(path) };
  return secret === null || secret === '' ? target : { ...target, secret };
}

const googleMethods: ReadonlySet<string> = new Set(['generateContent', 'streamGenerateContent', 'countTokens']);

/** @see https://ai.google.dev/api/generate-content */
function methodOf(encoded: string, method: string, query: URLSearchParams): Target {
  const model = modelIn(encoded);
  if (model === undefined) return nowhere;
  const isArray = method === 'streamGenerateContent' && (query.get('alt') ?? query.get('$alt')) !== 'sse';
  return { path: `/v1beta/${method}${isArray ? '/array' : ''}`, model };
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
function plainPath(path: string, mayBeEncoded = /^\/v1(beta)?\/models\//.test(path)): string | undefined {
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

/**
 * @param path of a route
 * @returns the path of Google's list of models for Google's clients, which have OpenAI's path for it as well
 */
export function forGoogle(path: string, request: Request): string {
  if (!/^\/v1\/models(?:\/|$)/.test(path) || !request.headers.has('x-goog-api-key')) return path;
  return path.replace('/v1/', '/v1beta/');
}

/** The error for a path without a route. */
export function notFound(): GatewayError {
  return new GatewayError('not_found', 'There is nothing at this path.');
}
