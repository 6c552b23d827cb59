import { constraintOf } from '../chat/constraint.ts';
import { conversationOf } from '../chat/history/conversation.ts';
import type { AnswerHead, GenerationCall, GenerationProtocol } from '../chat/protocol.ts';
import { serverTiming, withQueueTime } from '../chat/server-timing.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { answerHead } from '../exchange/answer-head.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { parseOnce } from '../http/request-body.ts';
import { type RequestHandler, sendJson, sendStream, sendStreamWithHeartbeats } from '../http/respond.ts';
import { anonymous } from '../policy/keys.ts';
import type { Target } from '../pool/upstream.ts';
import type { Services } from '../services.ts';
import { TranslatedStream } from '../streaming/translated-stream.ts';
import { Translator } from '../streaming/translator.ts';
import { type PreparedCall, applyRules } from './steps/apply-rules.ts';
import { choiceDecoders, collectChoices, sendChoices } from './steps/choices.ts';
import { countTokens, learnTokens } from './steps/count-tokens.ts';
import { droppedHeader } from './steps/dropped-fields.ts';
import { type FieldNames, fieldNamesOf, spelledFields, withFieldName } from './steps/field-names.ts';
import type { Adaptations } from './steps/send.ts';

/** A call that is ready to be sent, and what its answer needs. */
interface Generation {
  readonly call: GenerationCall;
  readonly prepared: PreparedCall;
  readonly head: AnswerHead;
  readonly exchange: Exchange;
  readonly names: FieldNames;
  readonly contentType: string;
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
    const call = await protocol.read(parseOnce(body), key?.name ?? '', quota);
    const prepared = await applyRules(call, services, exchange);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready, services.droppedFields.headers(prepared.dropped));
    const head = answerHead(exchange, call.requests[0].model || prepared.requests[0].model);
    const isEstimated = mayEstimate(call, c);
    const counted = isEstimated ? await countTokens(prepared, services, exchange) : undefined;
    if (counted !== undefined) return sendJson(c, 200, call.respond([], counted, head), estimatedHeader);
    learnTokens(prepared, services, exchange, isEstimated);
    exchange.startTotalTimer(services.config.timeouts.total);
    const generation = { call, prepared, head, exchange, names, contentType };
    return call.stream ? await sendStreamed(c, generation, services) : await sendWhole(c, generation, services);
  };
}

const estimatedHeader = { 'x-llamaduct-estimated': 'true' };

/** A client that needs the model's own count sends `x-llamaduct-exact: true`. */
function mayEstimate({ countsOnly }: GenerationCall, c: Context): boolean {
  return countsOnly === true && c.req.header('x-llamaduct-exact') !== 'true';
}

async function sendWhole(c: Context, generation: Generation, services: Services): Promise<Response> {
  const { call, prepared, head, exchange } = generation;
  const { adaptations, results } = await services.pool.send(
    exchange,
    targetOf(prepared),
    async (upstream) => await collectChoices(prepared, { ...services, upstream }, exchange),
  );
  const total = sumUsage(results);
  const timing = serverTiming(withQueueTime(total.timings, exchange.queuedMs));
  const headers = {
    ...headersOf(generation, adaptations, services),
    ...(timing !== '' && { 'server-timing': timing }),
  };
  const body = call.respond(results, total, head);
  await call.stored?.();
  return sendJson(c, 200, body, headers);
}

async function sendStreamed(c: Context, generation: Generation, services: Services): Promise<Response> {
  const { call, prepared, head, exchange, names, contentType } = generation;
  const common = {
    'content-type': contentType,
    'cache-control': 'no-cache',
  };
  // One for all attempts, because the start of the stream may be sent while they wait.
  const encoder = call.encoder(head);
  const starting = services.pool.send(exchange, targetOf(prepared), async (upstream) => {
    const here = { ...services, upstream };
    const { adaptations, bodies } = await sendChoices(prepared, here, exchange);
    const translator = new Translator(choiceDecoders(prepared, here, bodies), encoder, () => exchange.queuedMs);
    const stream = new TranslatedStream(bodies, { translator, exchange, stored: call.stored });
    await stream.open();
    return { status: 200, headers: { ...headersOf(generation, adaptations, services), ...common }, stream };
  });
  const hasRoom = contentType.startsWith('text/event-stream') || encoder.comment !== undefined;
  // A line of NDJSON is always part of the answer.
  if (!hasRoom) return sendStream(c, await starting);
  const [{ extra, model }] = prepared.requests;
  const isForOllama = extra !== undefined && services.pool.kindFor(model) === 'ollama';
  const early = isForOllama ? [...prepared.dropped, ...extra.names] : prepared.dropped;
  return await sendStreamWithHeartbeats(c, starting, {
    interval: services.config.timeouts.silence,
    headers: { ...(early.length > 0 && droppedHeader(spelledFields(early, call, names))), ...common },
    keepAlive: () => encoder.keepAlive?.() ?? '',
    ...(encoder.comment && { comment: (text: string) => encoder.comment?.(text) ?? '' }),
    failure: (error) => encoder.fail(withFieldName(error, names)),
    breaksConnection: encoder.breaksConnection ?? false,
    failureApart: (error) => encoder.failApart?.(withFieldName(error, names)) ?? '',
  });
}

function targetOf({ requests: [first] }: PreparedCall): Target {
  return { model: first.model, conversation: () => conversationOf(first), hasSchema: constraintOf(first) === 'schema' };
}

/** The headers that say what the answer does without. */
function headersOf(
  { call, prepared, names }: Generation,
  { dropped, truncated }: Adaptations,
  { droppedFields }: Services,
): Record<string, string> {
  const [asked] = call.requests;
  // A field that only a rule of the operator sets is no loss to the client.
  const lost = dropped.filter((field) => field !== 'reasoning_effort' || asked.think !== undefined);
  const fields = [...prepared.dropped, ...lost];
  return {
    ...(fields.length > 0 && droppedFields.headers(spelledFields(fields, call, names))),
    ...(truncated && { 'x-llamaduct-truncated': 'true' }),
  };
}
