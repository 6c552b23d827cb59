import { estimatedTokensIn } from '../../chat/estimate.ts';
import type { JsonObject } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { isObject } from '../../framing/json.ts';
import { nativeRules } from '../../policy/native-rules.ts';
import type { UpstreamPool } from '../../pool/pool.ts';
import { type Demand, acquireSlot, holdSlot } from '../../pool/slots.ts';
import type { Upstream } from '../../pool/upstream.ts';
import type { UpstreamServices } from '../../services.ts';
import type { UpstreamAnswer } from '../../upstreams/http/body.ts';
import type { UpstreamRequest } from '../../upstreams/http/client.ts';
import { readError } from '../../upstreams/http/read.ts';
import { withSizes } from '../steps/context-sizes.ts';
import { inOtherForm } from './other-form.ts';
import type { ModelRoute } from './rewrite.ts';
import { sendAdaptingThink } from './think-levels.ts';

/** A request that is passed on, with everything that sending it again or in another form needs. */
interface Sending {
  readonly request: UpstreamRequest;
  /** The parsed body. */
  readonly body: unknown;
  readonly route: ModelRoute;
  readonly services: UpstreamServices;
  readonly exchange: Exchange;
}

interface SentAnswer {
  readonly answer: UpstreamAnswer;
  readonly body: UpstreamAnswer['body'];
  /** Fields that the request did without. */
  readonly dropped: readonly string[];
}

/**
 * Sends a request to one server, in a slot if it needs one.
 *
 * @param demand undefined for a request that needs no slot
 * @returns an answer to pass on
 * @throws {GatewayError} any other answer as an error, because another server may do better
 */
export async function sendPassedRequest(sending: Sending, demand: Demand | undefined): Promise<SentAnswer> {
  if (demand === undefined) return await sendOrThrow(sending);
  const slot = await acquireSlot(sending.exchange, demand, sending.services);
  return await holdSlot(slot, sendOrThrow(sending));
}

async function sendOrThrow({ request, body, route, services, exchange }: Sending): Promise<SentAnswer> {
  const { upstream, pool } = services;
  const { answer, refusal: thinkRefusal } = await sendAdaptingThink(request, services, exchange);
  // Ollama does not report the sizes of a prompt that must not be cut.
  const mayBeTooLong = isObject(body) && body['truncate'] === false && answer.statusCode === 400;
  const isRead = thinkRefusal !== undefined;
  if (!isRead && !mayBeTooLong && mayPassOn(answer, upstream, pool)) return { answer, body: answer.body, dropped: [] };
  const refusal = thinkRefusal ?? (await readError(answer, upstream.backend));
  if (refusal.code === 'context_length_exceeded' && isObject(body)) throw await overflowError(refusal, body, services);
  if (route.readTools !== undefined && isObject(body) && refusesTools(refusal, body, services))
    throw new ToolRefusal(refusal);
  // Whatever is wrong with another form, the client sent this one.
  const other = await inOtherForm(request, route, refusal, { services, exchange }).catch(() => undefined);
  if (other === undefined) throw refusal;
  const second = await upstream.client.send(other.request);
  if (mayPassOn(second, upstream, pool)) return { answer: second, body: second.body, dropped: other.dropped };
  throw await readError(second, upstream.backend);
}

/** A refusal of tools, for which the request can be translated. */
class ToolRefusal extends GatewayError {
  constructor({ code, message, status, answered }: GatewayError) {
    super(code, message, { status });
    if (answered !== undefined) this.asAnswer(answered.status, true);
  }
}

/** True for an error after which the request should be translated. */
export function isToolRefusal(error: unknown): boolean {
  return error instanceof ToolRefusal;
}

function refusesTools(refusal: GatewayError, body: JsonObject, { upstream }: UpstreamServices): boolean {
  const { tools } = body;
  if (!Array.isArray(tools) || tools.length === 0 || !upstream.backend.refusesTools(refusal)) return false;
  upstream.toolSupport.refused(String(body['model']));
  return true;
}

async function overflowError(
  refusal: GatewayError,
  body: JsonObject,
  { upstream, metrics }: UpstreamServices,
): Promise<GatewayError> {
  const model = String(body['model']);
  metrics.contextOverflow.inc({ model: upstream.catalog.label(model), outcome: 'refused' });
  const tokens = estimatedTokensIn(body);
  const options = isObject(body['options']) ? body['options'] : undefined;
  const param = ['messages', 'prompt', 'input'].find((field) => body[field] !== undefined) ?? 'prompt';
  return await withSizes(refusal, { model, options, tokens, characters: 4 * tokens, param }, upstream);
}

function mayPassOn(answer: UpstreamAnswer, { kind }: Upstream, { upstreams }: UpstreamPool): boolean {
  const { statusCode, headers } = answer;
  if (statusCode < 300) return true;
  // Errors about llamaduct's own key are not for clients. Ollama has no keys.
  if (statusCode < 400 || nativeRules[kind] === undefined) return false;
  // A busy server may have a free place in a moment.
  if (statusCode === 503) return false;
  // A server that does not know the path is no Ollama, or an older one.
  if (statusCode === 404 && !String(headers['content-type']).startsWith('application/json')) return false;
  return upstreams.length === 1 || (statusCode < 500 && statusCode !== 404);
}
