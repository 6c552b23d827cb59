import { constraintOf } from '../chat/constraint.ts';
import { conversationOf } from '../chat/history/conversation.ts';
import type { AnswerHead, GenerationCall, GenerationProtocol } from '../chat/protocol.ts';
import type { SearchTurn } from '../chat/search.ts';
import { serverTiming, withQueueTime } from '../chat/server-timing.ts';
import type { Encoder } from '../chat/stream.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { answerHead } from '../exchange/answer-head.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { parseOnce } from '../http/request-body.ts';
import {
  type RequestHandler,
  type StreamedAnswer,
  sendJson,
  sendStream,
  sendStreamWithHeartbeats,
  sendText,
} from '../http/respond.ts';
import { anonymous } from '../policy/keys.ts';
import type { Target } from '../pool/upstream.ts';
import type { Services, UpstreamServices } from '../services.ts';
import { CollectedStream } from '../streaming/collected-stream.ts';
import { TranslatedStream } from '../streaming/translated-stream.ts';
import { Translator } from '../streaming/translator.ts';
import { SearchEncoder } from './search/encoder.ts';
import {
  type OfferedSearch,
  applyHostedTools,
  isMissingPurpose,
  isShown,
  missingSearchAnswer,
} from './search/hosted-tools.ts';
import { SearchingStream, type TurnStream } from './search/searching-stream.ts';
import { SearchSession } from './search/session.ts';
import { collectTurns } from './search/whole.ts';
import { type PreparedCall, applyRules } from './steps/apply-rules.ts';
import { choiceDecoders, collectChoices, sendChoices } from './steps/choices.ts';
import { countTokens, estimateMissing, learnTokens } from './steps/count-tokens.ts';
import { droppedHeader } from './steps/dropped-fields.ts';
import { type FieldNames, fieldNamesOf, spelledFields, withFieldName } from './steps/field-names.ts';
import type { Adaptations } from './steps/send.ts';
import { fallbackHeader } from './steps/tool-fallback.ts';

/** A call that is ready to be sent, and what its answer needs. */
interface Generation {
  readonly call: GenerationCall;
  readonly prepared: PreparedCall;
  readonly head: AnswerHead;
  readonly exchange: Exchange;
  readonly names: FieldNames;
  readonly contentType: string;
  /** Present if the model may search the web. */
  readonly session: SearchSession | undefined;
}

type Context = Parameters<RequestHandler>[0];

/** Answers a generation request of any dialect, streamed or whole. */
export function generationHandler(protocol: GenerationProtocol, services: Services): RequestHandler {
  const names = fieldNamesOf(protocol);
  const { contentType } = protocol;
  return async (c, body) => {
    const exchange = c.get('exchange');
    const { admitted, key } = exchange;
    // All requests without a key have the same owner, so each address gets its own quota.
    const quota = key === anonymous ? admitted?.owner : undefined;
    const read = await protocol.read(parseOnce(body), key?.name ?? '', quota, services.search !== undefined);
    const { call, search } = applyHostedTools(read, services.search);
    const prepared = await applyRules(call, services, exchange);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready, services.droppedFields.headers(prepared.dropped));
    const head = answerHead(exchange, call.requests[0].model || prepared.requests[0].model);
    const isEstimated = mayEstimate(call, c);
    const counted = isEstimated ? await countTokens(prepared, services, exchange) : undefined;
    if (counted !== undefined) return sendJson(c, 200, call.respond([], counted, head), estimatedHeader);
    if (isMissingPurpose(call)) return sendMissingSearch(c, { call, head, contentType }, prepared, services);
    learnTokens(prepared, services, exchange, isEstimated);
    exchange.startTotalTimer(services.config.timeouts.total);
    const session = search && isShown(call) ? createSession(search, services, exchange) : undefined;
    const generation = { call, prepared, head, exchange, names, contentType, session };
    return call.stream ? await sendStreamed(c, generation, services) : await sendWhole(c, generation, services);
  };
}

const estimatedHeader = { 'x-llamaduct-estimated': 'true' };

/** A client that needs the model's own count sends `x-llamaduct-exact: true`. */
function mayEstimate({ countsOnly }: GenerationCall, c: Context): boolean {
  return countsOnly === true && c.req.header('x-llamaduct-exact') !== 'true';
}

function createSession(
  search: OfferedSearch,
  { search: searcher }: Services,
  exchange: Exchange,
): SearchSession | undefined {
  return searcher && new SearchSession(searcher, search, exchange);
}

function sendMissingSearch(
  c: Context,
  { call, head, contentType }: Pick<Generation, 'call' | 'head' | 'contentType'>,
  { dropped }: PreparedCall,
  { droppedFields }: Services,
): Response {
  const answer = missingSearchAnswer(call, head);
  Object.assign(c.get('exchange').headers, droppedFields.headers(dropped));
  return 'text' in answer ? sendText(c, answer.text, contentType) : sendJson(c, 200, answer.body);
}

async function sendWhole(c: Context, generation: Generation, services: Services): Promise<Response> {
  const { call, prepared, head, exchange, session } = generation;
  const collect = (one: PreparedCall): ReturnType<typeof collectChoices> =>
    services.pool.send(
      exchange,
      targetOf(one),
      async (upstream) => await collectChoices(one, { ...services, upstream }, exchange),
    );
  const { adaptations, results } =
    session === undefined
      ? await collect(prepared)
      : await collectTurns(prepared, session, { collect, onTurn: () => exchange.beginTurn() });
  const total = sumUsage(results);
  const timing = serverTiming(withQueueTime(total.timings, exchange.queuedMs));
  const headers = {
    ...headersOf(generation, adaptations, services),
    ...(timing !== '' && { 'server-timing': timing }),
  };
  const estimated = call.countsOnly === true ? estimateMissing(prepared, total, services) : undefined;
  if (estimated !== undefined) Object.assign(headers, estimatedHeader);
  const body = call.respond(results, estimated ?? total, head);
  await call.stored?.();
  return sendJson(c, 200, body, headers);
}

async function sendStreamed(c: Context, generation: Generation, services: Services): Promise<Response> {
  const { call, prepared, head, names, contentType, session } = generation;
  // One for all attempts, because the start of the stream may be sent while they wait.
  const encoder = call.encoder(head);
  const starting =
    session === undefined
      ? startTurn(prepared, encoder, generation, services)
      : startTurns(session, encoder, generation, services);
  const hasRoom = contentType.startsWith('text/event-stream') || encoder.comment !== undefined;
  // A line of NDJSON is always part of the answer.
  if (!hasRoom) return sendStream(c, await starting);
  const [{ extra, model }] = prepared.requests;
  const isForOllama = extra !== undefined && services.pool.kindFor(model) === 'ollama';
  const early = isForOllama ? [...prepared.dropped, ...extra.names] : prepared.dropped;
  return await sendStreamWithHeartbeats(c, starting, {
    interval: services.config.timeouts.silence,
    headers: {
      ...(early.length > 0 && droppedHeader(spelledFields(early, call, names))),
      ...streamHeaders(generation),
    },
    keepAlive: () => encoder.keepAlive?.() ?? '',
    ...(encoder.comment && { comment: (text: string) => encoder.comment?.(text) ?? '' }),
    failure: (error) => encoder.fail(withFieldName(error, names)),
    breaksConnection: encoder.breaksConnection ?? false,
    failureApart: (error) => encoder.failApart?.(withFieldName(error, names)) ?? '',
  });
}

function streamHeaders({ contentType }: Generation): Record<string, string> {
  return { 'content-type': contentType, 'cache-control': 'no-cache' };
}

/** Sends a call. Resolves once some of its answer is translated. Only the first turn of an answer has headers. */
function startTurn(
  call: PreparedCall,
  encoder: Encoder,
  generation: Generation,
  services: Services,
): Promise<StreamedAnswer & { readonly stream: TurnStream }> {
  const { exchange } = generation;
  return services.pool.send(exchange, targetOf(call), async (upstream) => {
    const here = { ...services, upstream };
    if (encoder instanceof SearchEncoder) encoder.restart();
    const start = call.repairs > 0 ? startCollected : startStreaming;
    const { adaptations, stream } = await start(call, encoder, generation, here);
    const known = exchange.turns === 1 ? headersOf(generation, adaptations, services) : {};
    return { status: 200, headers: { ...known, ...streamHeaders(generation) }, stream };
  });
}

interface Started {
  readonly adaptations: Adaptations;
  readonly stream: TurnStream;
}

async function startStreaming(
  prepared: PreparedCall,
  encoder: Encoder,
  { call, exchange }: Generation,
  services: UpstreamServices,
): Promise<Started> {
  const started = await sendChoices(prepared, services, exchange);
  const { adaptations, bodies } = started;
  const translator = new Translator(choiceDecoders(prepared, services, started), encoder, () => exchange.queuedMs);
  const stream = new TranslatedStream(bodies, { translator, exchange, stored: call.stored });
  await stream.open();
  return { adaptations, stream };
}

/** Nothing of an answer is sent before its tool calls are right, or were requested often enough. */
async function startCollected(
  prepared: PreparedCall,
  encoder: Encoder,
  { call, exchange }: Generation,
  services: UpstreamServices,
): Promise<Started> {
  const { adaptations, results } = await collectChoices({ ...prepared, validatesJson: false }, services, exchange);
  const { queuedMs } = exchange;
  return { adaptations, stream: new CollectedStream(results, { encoder, queuedMs, stored: call.stored }) };
}

/** Sends a call whose answer may search the web, and with the results call after call until the answer is complete. */
async function startTurns(
  session: SearchSession,
  inner: Encoder,
  generation: Generation,
  services: Services,
): Promise<StreamedAnswer> {
  const encoder = new SearchEncoder(inner, session);
  let call = generation.prepared;
  const first = await startTurn(call, encoder, generation, services);
  const next = async (turn: SearchTurn): Promise<TurnStream> => {
    call = session.next(call, turn);
    generation.exchange.beginTurn();
    return (await startTurn(call, encoder, generation, services)).stream;
  };
  return {
    ...first,
    stream: new SearchingStream(first.stream, { encoder, session, next, stored: generation.call.stored }),
  };
}

function targetOf({ requests: [first] }: PreparedCall): Target {
  return { model: first.model, conversation: () => conversationOf(first), hasSchema: constraintOf(first) === 'schema' };
}

/** The headers that say what the answer does without. */
function headersOf(
  { call, prepared, names }: Generation,
  { dropped, truncated, tools }: Adaptations,
  { droppedFields }: Services,
): Record<string, string> {
  const [asked] = call.requests;
  // A field that only a rule of the operator sets is no loss to the client.
  const lost = dropped.filter((field) => field !== 'reasoning_effort' || asked.think !== undefined);
  const fields = [...prepared.dropped, ...lost];
  return {
    ...(fields.length > 0 && droppedFields.headers(spelledFields(fields, call, names))),
    ...fallbackHeader(tools),
    ...(truncated && { 'x-llamaduct-truncated': 'true' }),
  };
}
