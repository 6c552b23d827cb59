import type { GenerationCall } from '../../chat/protocol.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import { withTokenCap, applyRule } from '../../policy/model-rules.ts';
import { demandOf } from './send.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { fetchImages } from './images.ts';
import { checkSchema } from '../../schema/json-schema.ts';
import { rejectDroppedFields } from './dropped-fields.ts';
import type { Services } from '../../services.ts';
import { type Demand, reserveTokens, sumDemands } from '../../pool/slots.ts';

/** A call as the operator wants it asked. */
export interface PreparedCall {
  /** Fields that change nothing. */
  readonly dropped: readonly string[];
  readonly requests: readonly [GenerationRequest, ...GenerationRequest[]];
  /** What each of them will take. */
  readonly demands: readonly Demand[];
  readonly hideThinking: boolean;
  /** Whether a prompt longer than the context may be cut. */
  readonly mayTruncate: boolean;
  /** For each choice the stop sequences that end it here and not at the backend. */
  readonly stops: readonly (readonly string[])[];
}

/** Each token is looked through for every one of them, and for the beginnings of each. */
const maxStops = 64;
/** Characters of one. */
const maxStopLength = 256;

/**
 * Applies what the operator decides to a call: who may use the model, and how much; which model its name stands for, its
 * options.
 *
 * @throws {GatewayError} 400, 403 or 429
 */
export async function applyRules(call: GenerationCall, services: Services, exchange: Exchange): Promise<PreparedCall> {
  const { config, rules, pool } = services;
  const [first] = call.requests;
  const model = await authorizeModel(first.model, services, exchange);
  if (call.requests.length > config.limits.choices) {
    throw invalidValue('n', `At most ${config.limits.choices} answers a request are given here.`);
  }
  if (typeof first.format === 'object') checkSchema(first.format, 'response_format');
  const rule = withTokenCap(rules.rule(model), exchange.key?.maxTokens);
  const shape = (request: GenerationRequest): GenerationRequest => {
    const resolved = { ...request, model };
    const wanted = rule === undefined ? resolved : applyRule(resolved, rule);
    return call.onlyCounts === true ? ofOneToken(wanted) : wanted;
  };
  // Before anything is fetched for it.
  const demands = call.requests.map((one) => demandOf(shape(one)));
  if (call.ready === undefined) await reserveTokens(exchange, sumDemands(demands), services);
  const { requests, dropped } = await fetchImages(call.requests, model, services, exchange);
  const [one, ...others] = requests;
  const unheeded = [...call.dropped, ...dropped];
  if (config.strict) rejectDroppedFields([...unheeded, ...pool.backendOf(model).generation(one).dropped]);
  const shapedRequests = [shape(one), ...others.map(shape)] as const;
  return {
    dropped: unheeded,
    demands,
    ...(call.namesStop === true ? endedHere(shapedRequests) : { requests: shapedRequests, stops: [] }),
    hideThinking: call.hideThinking === true || exchange.key?.hideThinking === true || rule?.hide_thinking === true,
    mayTruncate: rule?.on_overflow === 'truncate',
  };
}

/** As short as an answer can be, whatever the operator pinned. */
function ofOneToken(request: GenerationRequest): GenerationRequest {
  return { ...request, sampling: { ...request.sampling, maxTokens: 1 } };
}

/** Takes the stop sequences from requests, as the backend would not tell which of them ended its answer. */
function endedHere([first, ...others]: PreparedCall['requests']): Pick<PreparedCall, 'requests' | 'stops'> {
  const stops = [first, ...others].map(({ sampling }) => sampling.stop ?? []);
  if (stops.some(({ length }) => length > maxStops)) {
    throw invalidValue('stop', `At most ${maxStops} stop sequences are taken here.`);
  }
  if (stops.flat().some(({ length }) => length > maxStopLength)) {
    throw invalidValue('stop', `A stop sequence may have at most ${maxStopLength} characters here.`);
  }
  return { requests: [withoutStop(first), ...others.map(withoutStop)], stops };
}

function withoutStop(request: GenerationRequest): GenerationRequest {
  const { stop: _, ...sampling } = request.sampling;
  return { ...request, sampling };
}

/**
 * The model that a name stands for, where the key may use it.
 *
 * @throws {GatewayError} 400 for no name, 403 for a model that the key may not use
 */
export async function authorizeModel(name: string, services: Services, exchange: Exchange): Promise<string> {
  const model = await resolveModel(name, services);
  if (model === '') throw invalidValue('model', 'model is required.');
  exchange.model = model;
  requireModel(name, model, services, exchange);
  services.pool.models.discover(model);
  return model;
}

/** @throws {GatewayError} 403 for a model that the key may not use, by the name it was given or by its own */
export function requireModel(name: string, model: string, { gatekeeper, rules }: Services, { key }: Exchange): void {
  if (key === undefined) return;
  // A default that stands in for a name nobody knows is not what a pattern for that name allows.
  const names = rules.resolve(name) === model ? [name, model] : [model];
  gatekeeper.requireModel(key, ...names);
}

/**
 * The model that a name stands for; '' for no name where there is no default.
 *
 * @returns a promise only where lists have to be read to tell whether there is such a model
 */
export function resolveModel(name: string, services: Services): string | Promise<string> {
  const { config, rules, pool } = services;
  const model = rules.resolve(name);
  return !config.default_for_unknown || pool.models.has(model) ? model : modelOrDefault(model, services);
}

async function modelOrDefault(model: string, { rules, pool: { models } }: Services): Promise<string> {
  // What was pulled a moment ago is not in the list yet. Where nothing can be asked, the request itself will fail.
  await models.list().catch(() => undefined);
  return models.has(model) ? model : rules.resolve('') || model;
}
