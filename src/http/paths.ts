import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../errors.ts';

/** The path of a request target, and the key and the model that it may name. */
export interface Target {
  /** The path of a route; undefined for a target that leads nowhere. */
  readonly path: string | undefined;
  /** The key in the base path, if keys are accepted there. */
  readonly secret?: string;
  /** The model that the path names, as Azure OpenAI's deployments do. It replaces that of the body. */
  readonly model?: string;
}

const nowhere: Target = { path: undefined };

/**
 * Reads a request target: without doubled and trailing slashes, and with the paths of Azure OpenAI led to those of OpenAI.
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
  if (!given.startsWith('/')) return nowhere;
  const path = given.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '');
  const [, encoded, rest] = (keysInPath && /^\/k\/([^/]+)(\/.*)?$/.exec(path)) || [];
  if (encoded === undefined) return withoutAzure(path);
  const secret = decoded(encoded);
  return secret === undefined ? nowhere : { ...withoutAzure(rest ?? '/'), secret };
}

/** @see https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference */
function withoutAzure(path: string): Target {
  if (!path.startsWith('/openai/')) return { path: plainPath(path) };
  const [, deployment, rest] =
    /^\/openai\/deployments\/(.+?)\/((?:chat\/)?completions|embeddings|responses)$/.exec(path) ?? [];
  if (deployment === undefined) return { path: plainPath(path.replace(/^\/openai\/(?:v1\/)?/, '/v1/')) };
  const model = decoded(deployment);
  return model === undefined || plainPath(`/${deployment}`, true) === undefined
    ? nowhere
    : { path: `/v1/${rest}`, model };
}

/** @returns the path if no parser would rewrite it; otherwise undefined */
function plainPath(path: string, mayBeEncoded = path.startsWith('/v1/models/')): string | undefined {
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
