import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Demand } from '../../pool/slots.ts';
import type { Services } from '../../services.ts';

/**
 * Resolves the name of a model, and checks that the key may use the model.
 *
 * @returns the model's own name
 * @throws {GatewayError} 400 without a name, 403 if the key may not use the model
 */
export async function authorizeModel(name: string, services: Services, exchange: Exchange): Promise<string> {
  const model = await resolveModel(name, services);
  if (model === '') throw invalidValue('model', 'model is required.');
  exchange.model = model;
  requireModel(name, model, services, exchange);
  services.pool.models.discover(model);
  return model;
}

/** @throws {GatewayError} 403 if the key may use the model neither by `name` nor by its own name */
export function requireModel(name: string, model: string, { gatekeeper, rules }: Services, { key }: Exchange): void {
  if (key === undefined) return;
  // A key's pattern for an unknown name does not allow the default model that stands in for it.
  const names = rules.resolve(name) === model ? [name, model] : [model];
  gatekeeper.requireModel(key, ...names);
}

/**
 * Resolves aliases and the default model.
 *
 * @returns '' without a name and a default; a promise only if the model lists must be read first
 */
export function resolveModel(name: string, services: Services): string | Promise<string> {
  const { config, rules, pool } = services;
  const model = rules.resolve(name);
  return !config.default_for_unknown || pool.models.has(model) ? model : modelOrDefault(model, services);
}

async function modelOrDefault(model: string, { rules, pool: { models } }: Services): Promise<string> {
  // A model pulled a moment ago is not in the list yet. If no list can be read, the request itself will fail.
  await models.list().catch(() => undefined);
  return models.has(model) ? model : rules.resolve('') || model;
}

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
  if (key === undefined || key.limitSubjects.length === 0) return;
  const reservation = await limiter.reserve(key.limitSubjects, inputTokens + outputTokens);
  Object.assign(exchange.headers, reservation.headers);
  exchange.onEnd(({ charged }) => reservation.settle(charged.inputTokens + charged.outputTokens));
}
