import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import type { Context } from 'hono';
import { conversationIn } from '../../chat/conversation.ts';
import { estimatedOutputTokens, estimatedTokensIn } from '../../chat/estimate.ts';
import type { PassThroughRoute } from '../../chat/protocol.ts';
import type { JsonObject } from '../../chat/request.ts';
import { GatewayError, invalidValue } from '../../errors.ts';
import { isObject } from '../../framing/json.ts';
import { type Key, mayUse } from '../../policy/keys.ts';
import { nativeRules } from '../../policy/native-rules.ts';
import type { UpstreamAnswer } from '../../upstreams/http/body.ts';
import type { UpstreamRequest } from '../../upstreams/http/client.ts';
import type { BackendKind } from '../../upstreams/index.ts';
import { allUpstreamsDown } from '../../pool/all-down.ts';
import { detailsDeadline } from '../../pool/model-catalog.ts';
import { askUpstream, readError, readJson } from '../../upstreams/http/read.ts';
import { parseJson } from '../../http/request-body.ts';
import type { UpstreamPool } from '../../pool/pool.ts';
import { type ModelRoute, rewriteBody } from './rewrite.ts';
import type { Plan, Planner, Streamed } from '../plan.ts';
import { resolveModel } from '../steps/apply-rules.ts';
import { type Env, type RequestHandler, sendEmpty, sendFlow, sendJson } from '../../http/respond.ts';
import type { Services } from '../../services.ts';
import type { Upstream } from '../../pool/upstream.ts';
import { passthroughStream } from '../../streaming/passthrough-stream.ts';
import { reserveTokens, acquireSlot, releaseAfterAnswer } from '../../pool/slots.ts';

/** Passes a request on that no model runs for, and its answer back, byte for byte. */
export function passingHandler(route: PassThroughRoute, services: Services): RequestHandler {
  return async (c) => {
    const exchange = c.get('exchange');
    const upstream = servingUpstream(c, services.pool);
    exchange.phase = 'waiting';
    exchange.upstream = upstream.name;
    const { body } = c.req.raw;
    const stream = body === null ? undefined : Readable.fromWeb(body as WebStream<Uint8Array>);
    const answer = await upstream.client.send(requestOf(c, route, stream));
    const limited = route.lists === true && exchange.key?.models !== undefined ? exchange.key : undefined;
    if (c.req.method === 'HEAD') {
      answer.body.discard();
      const { 'content-length': length, ...headers } = headersOf(answer);
      return sendEmpty(c, answer.statusCode, {
        ...headers,
        // Of a list that the key would see another of.
        ...(length !== undefined && limited === undefined && { 'content-length': length }),
      });
    }
    if (limited !== undefined && answer.statusCode === 200) {
      const list = await readJson(answer, upstream.backend, services.config.limits.body);
      return sendJson(c, 200, listedFor(limited, list));
    }
    const { status, headers, flow } = await relay(c, answer, route, upstream);
    return sendFlow(c, status, flow, headers);
  };
}

/**
 * Answers with the lists of all Ollamas that are not out, as one; what several have is listed once for each where it differs.
 *
 * @throws {GatewayError} what the first failed with, when none answers in time; 503 `upstream_down` when all are out
 */
export function mergedListHandler({ path }: PassThroughRoute, { pool }: Services): RequestHandler {
  const question = { method: 'GET', path, read: modelsIn } as const;
  const ollamas = pool.upstreams.filter(({ kind }) => kind === 'ollama');
  return async (c) => {
    const { key } = c.get('exchange');
    const lists = await Promise.allSettled(
      ollamas
        .filter(({ health }) => health.retryInMs === 0)
        // An upstream that hangs must not hide the others.
        .map(async ({ backend, client }) => await askUpstream(client, backend, question, detailsDeadline)),
    );
    const [first] = lists;
    if (first === undefined) throw allUpstreamsDown(ollamas.map(({ health }) => health.retryInMs));
    const told = lists.filter((list) => list.status === 'fulfilled');
    if (told.length === 0 && first.status === 'rejected') throw first.reason;
    const models = told.flatMap(({ value }) => value);
    const unique = new Map(models.map((model) => [`${String(model['name'])} ${String(model['digest'])}`, model]));
    const shown = [...unique.values()].filter(({ name }) => key === undefined || mayUse(key, String(name)));
    return sendJson(c, 200, { models: shown });
  };
}

/** By which an operator names one of several upstreams, where what is asked is not about a model. */
const upstreamHeader = 'x-llamaduct-upstream';

/** @throws {GatewayError} 400 where it is not clear which upstream is meant */
function servingUpstream(c: Context<Env>, { upstreams }: UpstreamPool): Upstream {
  const name = c.req.header(upstreamHeader);
  const ours = upstreams.filter((one) => one.kind === 'ollama' && (name === undefined || one.name === name));
  const [only, ...others] = ours.length > 0 || name !== undefined ? ours : upstreams;
  if (only !== undefined && others.length === 0) return only;
  const names = upstreams.map((one) => one.name).join(', ');
  throw invalidValue(upstreamHeader, `${upstreamHeader} must name one of the upstreams: ${names}.`);
}

export function namesModels(route: PassThroughRoute): route is ModelRoute {
  return route.modelsNamed !== undefined;
}

/**
 * Plans to pass requests on where the upstreams that have their model speak the client's own dialect, and policy lets them
 * be as they are; all others are translated.
 */
export function passingOr(
  natives: readonly { readonly kind: BackendKind; readonly route: ModelRoute }[],
  translated: Planner,
  services: Services,
): Planner {
  const [first] = natives;
  if (first === undefined) return translated;
  const planners = new Map(natives.map(({ kind, route }) => [kind, passingPlanner(route, kind, services)]));
  const { upstreams } = services.pool;
  const kinds = new Set(upstreams.map(({ kind }) => kind));
  return async (c, body) => {
    const kind = kinds.size === 1 ? first.kind : await kindNamed(body, first.route, services);
    const plan = kind && (await planners.get(kind)?.(c, body));
    return plan ?? (await translated(c, body));
  };
}

/** What the upstreams of the model speak that a body names; undefined where they differ. */
async function kindNamed(body: Buffer, route: ModelRoute, services: Services): Promise<BackendKind | undefined> {
  const [name = ''] = route.modelsNamed(parseJson(body));
  return services.pool.kindFor(await resolveModel(name, services));
}

/**
 * Plans to pass a request on as it is, with the model's turn, and its answer back, byte for byte, reading along what the
 * backend counted.
 *
 * @returns undefined where policy has to change what cannot be changed as it is
 */
function passingPlanner(
  route: ModelRoute,
  kind: BackendKind,
  services: Services,
): (c: Context<Env>, bytes: Buffer) => Promise<Plan | undefined> {
  const { outputTokens, sse } = route;
  return async (c, bytes) => {
    const exchange = c.get('exchange');
    const forward = await rewriteBody(exchange, bytes, route, kind, services);
    if (forward === undefined) return undefined;
    const { body, forwarded } = forward;
    const model = exchange.model ?? '';
    const demand = outputTokens && {
      model,
      inputTokens: estimatedTokensIn(body),
      outputTokens: estimatedOutputTokens(outputTokens(body)),
    };
    if (demand !== undefined) await reserveTokens(exchange, demand, services);
    const request = requestOf(c, route, forwarded);
    return {
      wanted: { model, kind, conversation: () => conversationIn(model, body) },
      ask: async (upstream) => {
        const send = async (): Promise<UpstreamAnswer> => {
          const answer = await upstream.client.send(request);
          if (mayBePassedOn(answer, kind, services.pool)) return answer;
          throw await readError(answer, upstream.backend);
        };
        const turn = demand && (await acquireSlot(exchange, demand, { ...services, upstream }));
        const answer = await (turn === undefined ? send() : releaseAfterAnswer(turn, send()));
        return await relay(c, answer, route, upstream);
      },
      ...(sse?.asks(body) === true && {
        sse: { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }, failure: sse.failure },
      }),
    };
  };
}

/** Whether an answer goes to the client as it is; if not it is an error, which another upstream may do better. */
function mayBePassedOn({ statusCode }: UpstreamAnswer, kind: BackendKind, { upstreams }: UpstreamPool): boolean {
  if (statusCode < 300) return true;
  // What an upstream says of llamaduct's own key is not for its clients; Ollama has no keys.
  if (statusCode < 400 || nativeRules[kind] === undefined) return false;
  return upstreams.length === 1 || (statusCode < 500 && statusCode !== 404);
}

function requestOf(c: Context<Env>, route: PassThroughRoute, body: UpstreamRequest['body']): UpstreamRequest {
  return {
    method: c.req.method,
    // Never the client's own path: only the digest of a blob comes from it, and the router has matched that.
    path: route.upstreamPath ?? route.path.replace(/:digest\{.*\}$/, c.req.param('digest') ?? ''),
    headers: pick(
      (name) => c.req.header(name),
      ['content-type', 'accept', ...(Buffer.isBuffer(body) ? [] : ['content-length'])],
    ),
    ...(body !== undefined && { body }),
    signal: c.get('exchange').signal,
  };
}

async function relay(
  c: Context<Env>,
  answer: UpstreamAnswer,
  route: PassThroughRoute,
  upstream: Upstream,
): Promise<Streamed> {
  const flow = await passthroughStream({
    answer,
    observer: upstream.backend.observer(),
    exchange: c.get('exchange'),
    failure: failureIn(answer, route),
  });
  return { status: answer.statusCode, headers: headersOf(answer), flow };
}

/** How an answer tells of an error where it breaks off between two lines; undefined where it cannot. */
function failureIn({ headers }: UpstreamAnswer, { lineFailure, sse }: PassThroughRoute): typeof lineFailure {
  if (headers['content-length'] !== undefined) return undefined;
  const type = String(headers['content-type']);
  if (type.startsWith('application/x-ndjson')) return lineFailure;
  // Whatever event has begun ends with the empty line.
  return type.startsWith('text/event-stream') ? sse && ((error) => `\n${sse.failure(error)}`) : undefined;
}

function headersOf({ headers }: UpstreamAnswer): Record<string, string> {
  return pick((name) => headers[name], ['content-type', 'content-length', 'retry-after']);
}

/** A list of models without those that the key may not use. */
function listedFor(key: Key, list: unknown): object {
  const models = modelsIn(list).filter(({ name }) => mayUse(key, String(name)));
  return { ...(list as object), models };
}

function modelsIn(list: unknown): JsonObject[] {
  if (!isObject(list) || !Array.isArray(list['models'])) {
    throw new GatewayError('upstream_protocol_error', 'The upstream did not list its models.');
  }
  return list['models'].filter(isObject);
}

function pick(read: (name: string) => string | string[] | undefined, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = read(name);
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}
