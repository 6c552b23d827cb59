import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { ResolvedModel } from '../../policy/model-rules.ts';
import type { Demand } from '../../pool/slots.ts';
import type { Services } from '../../services.ts';

/**
 * Resolves the name of a model, and checks that the key may use the model.
 *
 * @returns the model's own name
 * @throws {GatewayError} 400 without a name or for one that no model can have, 403 if the key may not use the model
 */
export async function authorizeModel(name: string, services: Services, exchange: Exchange): Promise<string> {
  const resolved = await resolveModel(name, services);
  const { model } = resolved;
  if (model === '') throw invalidValue('model', 'model is required.');
  exchange.model = model;
  requireModel(resolved, services, exchange);
  services.pool.models.discover(model);
  return model;
}

/** @throws {GatewayError} 403 if the key may not use the model by any of its names */
export function requireModel({ names }: ResolvedModel, { gatekeeper }: Services, exchange: Exchange): void {
  const { key } = exchange;
  exchange.modelNames = names;
  if (key !== undefined) gatekeeper.requireModel(key, ...names);
}

/**
 * Resolves a model name: as Ollama does, then aliases and the default model.
 *
 * @returns a promise only if the model lists must be read first
 * @throws {GatewayError} 400 for a name that no model can have
 */
export function resolveModel(name: string, services: Services): ResolvedModel | Promise<ResolvedModel> {
  const { config, rules, pool } = services;
  const resolved = rules.resolve(name, pool.models.isExactId);
  return !config.default_for_unknown || pool.models.has(resolved.model) ? resolved : modelOrDefault(resolved, services);
}

/** A key's pattern for an unknown name does not allow the default model that stands in for it. */
async function modelOrDefault(resolved: ResolvedModel, { rules, pool: { models } }: Services): Promise<ResolvedModel> {
  // A model pulled a moment ago is not in the list yet. If no list can be read, the request itself will fail.
  await models.list().catch(() => undefined);
  if (models.has(resolved.model)) return resolved;
  const standIn = rules.resolve('', models.isExactId);
  return standIn.model === '' ? resolved : standIn;
}

/** Exchanges with a reservation. A request that a server refused may be sent again in another form. */
const reserved = new WeakSet<Exchange>();

/**
 * Reserves the estimated tokens of a request from the limits of its key and the key's group. What it really took is settled
 * when it ends. The answer's headers say what is left.
 *
 * @throws {GatewayError} 429 if a limit is reached
 */
export async function reserveTokens(
  exchange: Exchange,
  { inputTokens, outputTokens }: Omit<Demand, 'model'>,
  { limiter }: Services,
): Promise<void> {
  exchange.estimate = { inputTokens, outputTokens };
  const { key } = exchange;
  if (key === undefined || key.limitSubjects.length === 0 || reserved.has(exchange)) return;
  reserved.add(exchange);
  const reservation = await limiter.reserve(key.limitSubjects, inputTokens + outputTokens);
  Object.assign(exchange.headers, reservation.headers);
  exchange.onEnd(({ charged }) => reservation.settle(charged.inputTokens + charged.outputTokens));
}
