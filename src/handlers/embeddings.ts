import type { Backend } from '../chat/backend.ts';
import type { EmbeddingsRequest, EmbeddingsResult } from '../chat/embeddings.ts';
import type { Signal } from '../cancellation.ts';
import { estimatedTokensIn } from '../chat/estimate.ts';
import type { EmbeddingsProtocol } from '../chat/protocol.ts';
import { serverTiming, withQueueTime } from '../chat/server-timing.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { answerHead } from '../exchange/answer-head.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { parseOnce } from '../http/request-body.ts';
import { type RequestHandler, sendJson } from '../http/respond.ts';
import { withAllowedKeepAlive } from '../policy/keep-alive.ts';
import { pinnedOptions } from '../policy/model-rules.ts';
import { type Demand, acquireSlot } from '../pool/slots.ts';
import type { Upstream } from '../pool/upstream.ts';
import type { Services, UpstreamServices } from '../services.ts';
import { readJson } from '../upstreams/http/read.ts';
import { authorizeModel, reserveTokens } from './steps/authorize.ts';
import { contextOf } from './steps/context-sizes.ts';
import { spelledFields } from './steps/field-names.ts';
import { rejectDroppedFields } from './steps/dropped-fields.ts';
import { tokenTexts } from './steps/token-texts.ts';

/** Answers a request for embeddings of any dialect. */
export function embeddingsHandler(protocol: EmbeddingsProtocol, services: Services): RequestHandler {
  const { config, pool, rules, droppedFields } = services;
  return async (c, body) => {
    const exchange = c.get('exchange');
    const call = protocol.read(parseOnce(body));
    const model = await authorizeModel(call.request.model, services, exchange);
    const { input, encoding } = await tokenTexts(call.request.input, config.embeddings.tokens, exchange);
    const rule = rules.rule(model);
    const asked = { ...withAllowedKeepAlive(call.request, { key: exchange.key, rule }), input };
    const ignored = asked.keepAlive === call.request.keepAlive ? [] : ['keep_alive'];
    const unsupported = pool.backendFor(model).embeddings(asked).dropped;
    const dropped = [...call.dropped, ...ignored, ...spelledFields(unsupported, call)];
    if (config.strict) rejectDroppedFields(dropped);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready);
    const request = { ...asked, model, ...(rule !== undefined && pinnedOptions(asked, rule)) };
    const mayTruncate = rule?.on_overflow === 'truncate' && request.truncate === undefined;
    const demand = { model, inputTokens: estimatedTokensIn(request.input), outputTokens: 0 };
    await reserveTokens(exchange, demand, services);
    exchange.startTotalTimer(config.timeouts.total);
    const target = { model, conversation: () => undefined };
    const { result, truncated } = await pool.send(
      exchange,
      target,
      async (upstream) => await embedInSlot({ request, mayTruncate, demand }, { ...services, upstream }, exchange),
    );
    const { load } = result.timings;
    // Ollama does not report the other durations for embeddings.
    const timing = serverTiming(withQueueTime(load === undefined ? {} : { load }, exchange.queuedMs));
    return sendJson(c, 200, call.respond(result, answerHead(exchange, call.request.model || model)), {
      ...droppedFields.headers(dropped),
      ...(truncated && { 'x-llamaduct-truncated': 'true' }),
      ...(encoding !== undefined && { 'x-llamaduct-decoded-tokens': encoding }),
      ...(timing !== '' && { 'server-timing': timing }),
    });
  };
}

interface EmbedOptions {
  readonly request: EmbeddingsRequest;
  /** True if a text longer than the context may be cut. */
  readonly mayTruncate: boolean;
}

interface Embedded {
  readonly result: EmbeddingsResult;
  /** True if a text did not fit and the operator allows it to be cut. */
  readonly truncated: boolean;
}

async function embedInSlot(
  { request, mayTruncate, demand }: EmbedOptions & { readonly demand: Demand },
  services: UpstreamServices,
  exchange: Exchange,
): Promise<Embedded> {
  const slot = await acquireSlot(exchange, demand, services);
  try {
    const embedded = await embed({ request, mayTruncate }, services, exchange.attemptSignal);
    slot.release();
    exchange.addUsage(embedded.result);
    requireDimensions(embedded.result, request.dimensions);
    return embedded;
  } catch (error) {
    slot.abandon();
    throw error;
  }
}

/** @throws {GatewayError} when the upstream fails or refuses */
async function embed(
  { request, mayTruncate }: EmbedOptions,
  services: UpstreamServices,
  signal: Signal,
): Promise<Embedded> {
  const { metrics, upstream } = services;
  try {
    return { result: await requestEmbeddings(request, upstream, signal), truncated: false };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'context_length_exceeded') throw error;
    const outcome = mayTruncate ? 'truncated' : 'refused';
    metrics.contextOverflow.inc({ model: upstream.catalog.label(request.model), outcome });
    if (!mayTruncate) throw await withSizes(error, request, upstream);
    const cut = { request: { ...request, truncate: true }, mayTruncate: false };
    return { ...(await embed(cut, services, signal)), truncated: true };
  }
}

async function requestEmbeddings(
  request: EmbeddingsRequest,
  { backend, client }: Upstream,
  signal: Signal,
): Promise<EmbeddingsResult> {
  const { method, path, body, read } = backend.embeddings(request);
  const headers = { 'content-type': 'application/json' };
  const answer = await client.send({ method, path, headers, body: JSON.stringify(body), signal });
  const errors: Pick<Backend, 'error'> = { error: (...response) => backend.embeddingsError(...response) };
  return read(await readJson(answer, errors, maxAnswerBytes(request.input.length)));
}

/** Bytes of one vector: 16384 components, more than any model has, each of up to 16 characters. */
const maxVectorBytes = 16_384 * 16;
/** Bytes of an answer, which is held in memory as a whole: 2048 vectors of 4096 components. */
const maxBytes = 128 * 1024 * 1024;

function maxAnswerBytes(vectors: number): number {
  return Math.min(maxBytes, vectors * maxVectorBytes + 64 * 1024);
}

/** Ollama reports that a text is too long, but not which one, how long it is, or what the limit is. */
async function withSizes(
  refusal: GatewayError,
  { input, model, truncate, options }: EmbeddingsRequest,
  upstream: Upstream,
): Promise<GatewayError> {
  const context = refusal.sizes?.context ?? (await contextOf(model, options, upstream));
  const longest = input.reduce((most, text) => Math.max(most, text.length), 0);
  const parts = [
    `A text of the input is longer than the context of the model${context === undefined ? '' : `, ${context} tokens`}.`,
    `The longest has ${longest} characters.`,
    ...(truncate === true ? [] : ['Send shorter texts, or "truncate": true to have them cut.']),
  ];
  return new GatewayError(refusal.code, parts.join(' '), { param: 'input', cause: refusal });
}

/** Ollama shortens longer vectors, and returns those that are shorter than requested as they are. */
function requireDimensions({ vectors: [first] }: EmbeddingsResult, dimensions: number | undefined): void {
  if (dimensions === undefined || first === undefined || first.length === dimensions) return;
  throw invalidValue('dimensions', `dimensions must be at most ${first.length}, which is what the model has.`);
}
