import type { GenerationCall } from '../chat/contract.ts';
import type { GenerationRequest } from '../chat/request.ts';
import { invalidValue } from '../errors.ts';
import { shaped } from '../policy/shaping.ts';
import type { Exchange } from './exchange.ts';
import { withImages } from './images.ts';
import { checkSchema } from './json-schema.ts';
import { refuseDropped } from './ledger.ts';
import type { Services } from './services.ts';

/** A call as the operator wants it asked. */
export interface Prepared {
  /** Fields that change nothing. */
  readonly dropped: readonly string[];
  readonly requests: readonly [GenerationRequest, ...GenerationRequest[]];
  readonly hideThinking: boolean;
  /** Whether a prompt longer than the context may be cut. */
  readonly mayTruncate: boolean;
}

/**
 * Applies what the operator decides to a call: who may use the model, which model its name stands for, its options.
 *
 * @throws {GatewayError} 400 or 403
 */
export async function prepare(call: GenerationCall, services: Services, exchange: Exchange): Promise<Prepared> {
  const { config, shaper } = services;
  const [first] = call.requests;
  const model = admitted(first.model, services, exchange);
  if (call.requests.length > config.limits.choices) {
    throw invalidValue('n', `At most ${config.limits.choices} answers a request are given here.`);
  }
  if (typeof first.format === 'object') checkSchema(first.format, 'response_format');
  const rule = shaper.rule(model);
  const shape = (request: GenerationRequest): GenerationRequest => {
    const resolved = { ...request, model };
    return rule === undefined ? resolved : shaped(resolved, rule);
  };
  const { requests, dropped } = await withImages(call.requests, model, services, exchange.signal);
  const [one, ...others] = requests;
  const unheeded = [...call.dropped, ...dropped];
  if (config.strict) refuseDropped(unheeded);
  return {
    dropped: unheeded,
    requests: [shape(one), ...others.map(shape)],
    hideThinking: call.hideThinking === true || exchange.key?.hideThinking === true || rule?.hide_thinking === true,
    mayTruncate: rule?.on_overflow === 'truncate',
  };
}

/**
 * The model that a name stands for, where the key may use it.
 *
 * @throws {GatewayError} 400 for no name, 403 for a model that the key may not use
 */
export function admitted(name: string, { gatekeeper, shaper, upstream }: Services, exchange: Exchange): string {
  const model = shaper.resolve(name);
  if (model === '') throw invalidValue('model', 'model is required.');
  exchange.model = model;
  if (exchange.key !== undefined) gatekeeper.requireModel(exchange.key, name, model);
  upstream.catalog.learn(model);
  return model;
}
