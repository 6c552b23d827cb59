import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { conversationIn } from '../../chat/history/conversation.ts';
import { estimatedOutputTokens, estimatedTokensIn } from '../../chat/estimate.ts';
import type { PassThroughRoute } from '../../chat/protocol.ts';
import { maySilentlyGenerateIn } from '../../chat/silence.ts';
import { invalidValue } from '../../errors.ts';
import { type RequestHandler, sendEmpty, sendJson, sendStream, sendStreamWithHeartbeats } from '../../http/respond.ts';
import { readCodings, unsupportedEncoding } from '../../http/content-coding.ts';
import { parseJson } from '../../http/request-body.ts';
import { endsRepetition } from '../../policy/model-rules.ts';
import type { UpstreamPool } from '../../pool/pool.ts';
import type { Target, Upstream } from '../../pool/upstream.ts';
import type { Services, UpstreamServices } from '../../services.ts';
import { type AnswerFilter, filterLines, filterWhole } from '../../streaming/answer-filter.ts';
import { PassedCalls, filterEvents } from '../../streaming/passed-calls.ts';
import { mendedWhole } from '../../streaming/passed-completion.ts';
import type { Emit } from '../../chat/event.ts';
import { isObject } from '../../framing/json.ts';
import { RepetitionWatch } from '../../streaming/repetition-watch.ts';
import type { UpstreamAnswer } from '../../upstreams/http/body.ts';
import { readJson } from '../../upstreams/http/read.ts';
import type { BackendKind } from '../../upstreams/index.ts';
import { resolveModel, reserveTokens } from '../steps/authorize.ts';
import { rejectDroppedFields } from '../steps/dropped-fields.ts';
import { isNdjson, isStream, passedAnswer, passedHeaders, passedRequest } from './answer.ts';
import { listedFor } from './lists.ts';
import { withSafeSchemas } from './schemas.ts';
import { type ModelRoute, type RewrittenBody, rewriteBody } from './rewrite.ts';
import { isToolRefusal, sendPassedRequest } from './send-passed.ts';
import { withMendedCalls } from '../steps/tool-calls.ts';

type Context = Parameters<RequestHandler>[0];

/** Passes on a request that runs no model, and its answer, byte for byte. */
export function passthroughHandler(route: PassThroughRoute, services: Services): RequestHandler {
  return async (c) => {
    const exchange = c.get('exchange');
    const upstream = upstreamOf(c, services.pool);
    if (readCodings(c.req.header('content-encoding') ?? '').length > 0) {
      throw unsupportedEncoding('This path takes no compressed request body.');
    }
    exchange.phase = 'waiting';
    exchange.upstream = upstream.name;
    const { body } = c.req.raw;
    const stream = body === null ? undefined : Readable.fromWeb(body as WebStream<Uint8Array>);
    const answer = await upstream.client.send(passedRequest(c, route, stream));
    const limited = route.listsModels === true && exchange.key?.models !== undefined ? exchange.key : undefined;
    if (c.req.method === 'HEAD') {
      answer.body.discard();
      const { 'content-length': length, ...headers } = passedHeaders(answer);
      // The list that the key may see has another length.
      const known = length !== undefined && limited === undefined ? { 'content-length': length } : {};
      return sendEmpty(c, answer.statusCode, { ...headers, ...known });
    }
    if (limited !== undefined && answer.statusCode === 200) {
      const list = await readJson(answer, upstream.backend, services.config.limits.body);
      return sendJson(c, 200, listedFor(limited, list));
    }
    return sendStream(c, await passedAnswer(answer, { route }, upstream, exchange));
  };
}

/** Names the server that a request concerns, if it does not concern a model. */
const upstreamHeader = 'x-llamaduct-upstream';

/** @throws {GatewayError} 400 if it is not clear which server is meant */
function upstreamOf(c: Context, { upstreams }: UpstreamPool): Upstream {
  const name = c.req.header(upstreamHeader);
  const matching = upstreams.filter((one) => one.kind === 'ollama' && (name === undefined || one.name === name));
  const [only, ...others] = matching.length > 0 || name !== undefined ? matching : upstreams;
  if (only !== undefined && others.length === 0) return only;
  const names = upstreams.map((one) => one.name).join(', ');
  throw invalidValue(upstreamHeader, `${upstreamHeader} must name one of the upstreams: ${names}.`);
}

/**
 * Passes requests on to servers that speak the client's dialect, as long as policy lets them be as they are, and has all
 * others translated.
 *
 * @param natives the route for each kind of server that speaks the dialect
 */
export function passthroughOrTranslate(
  natives: readonly { readonly kind: BackendKind; readonly route: ModelRoute }[],
  translate: RequestHandler,
  services: Services,
): RequestHandler {
  const [first] = natives;
  if (first === undefined) return translate;
  const routes = new Map(natives.map(({ kind, route }) => [kind, route]));
  const kinds = new Set(services.pool.upstreams.map(({ kind }) => kind));
  return async (c, body) => {
    const kind = kinds.size === 1 ? first.kind : await kindFor(body, first.route, services);
    const route = kind && routes.get(kind);
    if (kind === undefined || route === undefined) return await translate(c, body);
    const rewritten = await rewriteBody({ bytes: body, route, kind }, services, c.get('exchange'));
    if (rewritten === undefined) return await translate(c, body);
    try {
      return await sendPassed(c, { route, kind, rewritten }, services);
    } catch (error) {
      // The translation describes the tools in a message.
      if (!isToolRefusal(error)) throw error;
      return await translate(c, body);
    }
  };
}

/** @returns the kind of the servers that have the model in the body; undefined if they differ */
async function kindFor(body: Buffer, route: ModelRoute, services: Services): Promise<BackendKind | undefined> {
  const [name = ''] = route.modelsIn(parseJson(body));
  return services.pool.kindFor((await resolveModel(name, services)).model);
}

interface PassedCall {
  readonly route: ModelRoute;
  readonly kind: BackendKind;
  readonly rewritten: RewrittenBody;
}

/** Sends a request in a slot, and passes its answer on, observing what the upstream counted. */
async function sendPassed(c: Context, { route, kind, rewritten }: PassedCall, services: Services): Promise<Response> {
  const exchange = c.get('exchange');
  const { outputTokens, sse, unseenTokens } = route;
  const { body, bytes, dropped } = withSafeSchemas(rewritten, kind);
  if (services.config.strict) rejectDroppedFields(dropped);
  const { silence, total } = services.config.timeouts;
  const model = exchange.model ?? '';
  const demand = outputTokens && {
    model,
    inputTokens: estimatedTokensIn(body),
    outputTokens: estimatedOutputTokens(outputTokens(body)),
  };
  if (demand !== undefined) await reserveTokens(exchange, demand, services);
  exchange.maxOutputTokens = unseenTokens?.(body);
  exchange.startTotalTimer(total);
  const request = { ...passedRequest(c, route, bytes), mayPause: maySilentlyGenerateIn(body) };
  const target: Target = {
    model,
    kind,
    conversation: () => conversationIn(model, body),
    hasSchema: route.constraint?.(body) === 'schema',
  };
  const starting = services.pool.send(exchange, target, async (upstream) => {
    const sending = {
      request: { ...request, signal: exchange.attemptSignal },
      body,
      route,
      services: { ...services, upstream },
      exchange,
    };
    const sent = await sendPassedRequest(sending, demand);
    const filter =
      thinkingFilter(sent.answer, route, rewritten, services) ?? callFilter(sent.answer, route, body, sending.services);
    const watch = watchFor(sent.answer, { route, kind, rewritten }, sending.services);
    const hasOthers = services.pool.upstreams.length > 1;
    const passed = await passedAnswer(sent.answer, { route, filter, watch, hasOthers }, upstream, exchange);
    const headers = services.droppedFields.headers([...dropped, ...sent.dropped]);
    return { ...passed, headers: { ...passed.headers, ...headers } };
  });
  if (sse?.isRequested(body) !== true) return sendStream(c, await starting);
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
  // Comments alone: events of llamaduct's own would have another id than those of the upstream.
  const heartbeats = { interval: silence, headers, keepAlive: () => '', failure: sse.failure };
  return await sendStreamWithHeartbeats(c, starting, heartbeats);
}

/** @returns a watch that ends an answer that only repeats itself; undefined if none is needed, or without a stream */
function watchFor(
  answer: UpstreamAnswer,
  { route, rewritten }: PassedCall,
  { config, metrics, rules, upstream }: UpstreamServices,
): RepetitionWatch | undefined {
  const model = route.modelsIn(rewritten.body)[0] ?? '';
  const isWatched = endsRepetition(rules.rule(model), route.constraint?.(rewritten.body));
  if (!isWatched || answer.statusCode !== 200 || !isStream(answer)) return undefined;
  const request = { kind: 'chat', model, messages: [], sampling: {} } as const;
  return new RepetitionWatch(
    (emit) => upstream.backend.decoder(request, emit, config.limits.line),
    () => metrics.answers.repetitions.inc({ model: upstream.catalog.label(model), upstream: upstream.name }),
  );
}

/** @returns the filter for the tool calls in an answer; undefined if none may be wrong, and for a refusal */
function callFilter(
  answer: UpstreamAnswer,
  { readTools }: ModelRoute,
  body: unknown,
  services: UpstreamServices,
): AnswerFilter | undefined {
  const request = answer.statusCode < 300 && isObject(body) ? readTools?.(body) : undefined;
  if (request === undefined) return undefined;
  const mending = (emit: Emit): Emit => withMendedCalls(emit, request, undefined, services);
  const { limits } = services.config;
  return isStream(answer)
    ? filterEvents(new PassedCalls(mending), limits.line)
    : filterWhole((json) => mendedWhole(json, mending), limits.body);
}

/** @returns the filter for the thinking in an answer; undefined if there is nothing to change */
function thinkingFilter(
  answer: UpstreamAnswer,
  route: ModelRoute,
  rewritten: RewrittenBody,
  { config: { limits } }: Services,
): AnswerFilter | undefined {
  const change = answer.statusCode < 300 ? lineFilter(route, rewritten) : undefined;
  if (change === undefined) return undefined;
  return isNdjson(answer) ? filterLines(change, limits.line) : filterWhole(change, limits.body);
}

/** @returns a filter for the lines of an answer; undefined without one, as for errors and for routes without thinking */
function lineFilter(
  { thinkTagFilter, withoutThinking }: ModelRoute,
  { hideThinking, splitsThinkTags }: RewrittenBody,
): ((json: string) => string) | undefined {
  const split = splitsThinkTags ? thinkTagFilter?.() : undefined;
  const hide = hideThinking ? withoutThinking : undefined;
  if (split === undefined || hide === undefined) return split ?? hide;
  return (json) => {
    const line = split(json);
    return line === '' ? '' : hide(line);
  };
}
