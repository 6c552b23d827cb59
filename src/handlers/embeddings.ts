import type { EmbeddingsRequest, EmbeddingsResult } from '../chat/embeddings.ts';
import type { Signal } from '../cancellation.ts';
import { estimatedTokensIn } from '../chat/estimate.ts';
import type { EmbeddingsProtocol } from '../chat/protocol.ts';
import { serverTiming } from '../chat/server-timing.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { pinnedOptions } from '../policy/model-rules.ts';
import { readJson } from '../upstreams/http/read.ts';
import { parseJson } from '../http/request-body.ts';
import { answerHead } from '../exchange/answer-head.ts';
import { rejectDroppedFields } from './steps/dropped-fields.ts';
import type { Planner } from './plan.ts';
import { authorizeModel } from './steps/apply-rules.ts';
import { sendJson } from '../http/respond.ts';
import type { UpstreamServices, Services } from '../services.ts';
import type { Upstream } from '../pool/upstream.ts';
import { reserveTokens, acquireSlot } from '../pool/slots.ts';

/** Plans a request for embeddings of any dialect. */
export function embeddingsPlanner(protocol: EmbeddingsProtocol, services: Services): Planner {
  const { strict } = services.config;
  return async (c, body) => {
    const exchange = c.get('exchange');
    const call = protocol.read(parseJson(body));
    const model = await authorizeModel(call.request.model, services, exchange);
    const unheeded = [...call.dropped, ...services.pool.backendOf(model).embeddings(call.request).dropped];
    if (strict) rejectDroppedFields(unheeded);
    if (call.ready !== undefined) return sendJson(c, 200, call.ready);
    const rule = services.rules.rule(model);
    const request = { ...call.request, model, ...(rule !== undefined && pinnedOptions(call.request, rule)) };
    const mayTruncate = rule?.on_overflow === 'truncate' && request.truncate === undefined;
    const demand = { model, inputTokens: estimatedTokensIn(request.input), outputTokens: 0 };
    await reserveTokens(exchange, demand, services);
    return {
      wanted: { model, conversation: () => undefined },
      ask: async (upstream) => {
        const here = { ...services, upstream };
        const turn = await acquireSlot(exchange, demand, here);
        const { result, truncated } = await embed(request, mayTruncate, here, exchange.signal).catch(
          (error: unknown) => {
            turn.abandon();
            throw error;
          },
        );
        turn.release();
        exchange.addUsage(result);
        requireDimensions(result, request.dimensions);
        const { load } = result.timings;
        const headers = {
          ...services.droppedFields.headers(unheeded),
          ...(truncated && { 'x-llamaduct-truncated': 'true' }),
          // Of the rest Ollama does not tell how long it waited and how long it took.
          ...(load !== undefined && { 'server-timing': serverTiming({ load }) }),
        };
        return { json: call.respond(result, answerHead(exchange, call.request.model || model)), headers };
      },
    };
  };
}

interface Embedded {
  readonly result: EmbeddingsResult;
  /** Whether a text did not fit and the operator lets it be cut. */
  readonly truncated: boolean;
}

/** @throws {GatewayError} when the upstream fails or refuses */
async function embed(
  request: EmbeddingsRequest,
  mayTruncate: boolean,
  services: UpstreamServices,
  signal: Signal,
): Promise<Embedded> {
  const { metrics, upstream } = services;
  try {
    return { result: await ask(request, upstream, signal), truncated: false };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'context_length_exceeded') throw error;
    const outcome = mayTruncate ? 'truncated' : 'refused';
    metrics.contextOverflow.inc({ model: upstream.catalog.label(request.model), outcome });
    if (!mayTruncate) throw await withSizes(error, request, upstream);
    return { ...(await embed({ ...request, truncate: true }, false, services, signal)), truncated: true };
  }
}

async function ask(
  request: EmbeddingsRequest,
  { backend, client }: Upstream,
  signal: Signal,
): Promise<EmbeddingsResult> {
  const { method, path, body, read } = backend.embeddings(request);
  const headers = { 'content-type': 'application/json' };
  const answer = await client.send({ method, path, headers, body: JSON.stringify(body), signal });
  const errors = { error: (status: number, text: string) => backend.embeddingsError(status, text) };
  return read(await readJson(answer, errors, maxAnswerBytes(request.input.length)));
}

/** Bytes of a vector: 16384 components, more than any model has, each of up to 16 characters. */
const maxVectorBytes = 16_384 * 16;
/** Bytes of an answer, which is held as a whole: 2048 vectors of 4096 components. */
const maxBytes = 128 * 1024 * 1024;

function maxAnswerBytes(vectors: number): number {
  return Math.min(maxBytes, vectors * maxVectorBytes + 64 * 1024);
}

/** Ollama says that a text is too long, but not which, nor how long, nor for what. */
async function withSizes(
  refusal: GatewayError,
  { input, model, truncate }: EmbeddingsRequest,
  { catalog }: Upstream,
): Promise<GatewayError> {
  const context = await catalog.loadedContext(model);
  const longest = input.reduce((most, text) => Math.max(most, text.length), 0);
  const parts = [
    `A text of the input is longer than the context of the model${context === undefined ? '' : `, ${context} tokens`}.`,
    `The longest has ${longest} characters.`,
    ...(truncate === true ? [] : ['Send shorter texts, or "truncate": true to have them cut.']),
  ];
  return new GatewayError(refusal.code, parts.join(' '), { param: 'input', cause: refusal });
}

/** Ollama shortens vectors, and leaves those be that are shorter than asked for. */
function requireDimensions({ vectors: [first] }: EmbeddingsResult, dimensions: number | undefined): void {
  if (dimensions === undefined || first === undefined || first.length === dimensions) return;
  throw invalidValue('dimensions', `dimensions must be at most ${first.length}, which is what the model has.`);
}
