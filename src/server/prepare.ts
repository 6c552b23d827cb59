import type { GenerationCall } from '../chat/contract.ts';
import type { GenerationRequest, Image, Message } from '../chat/request.ts';
import { GatewayError, invalidValue } from '../errors.ts';
import { shaped } from '../policy/shaping.ts';
import { askUpstream } from '../upstreams/read.ts';
import type { Exchange } from './exchange.ts';
import { checkSchema } from './json-schema.ts';
import { refuseDropped } from './ledger.ts';
import type { Services } from './services.ts';

/** A call as the operator wants it asked. */
export interface Prepared {
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
  if (config.strict) refuseDropped(call.dropped);
  if (typeof first.format === 'object') checkSchema(first.format, 'response_format');
  const rule = shaper.rule(model);
  const shape = (request: GenerationRequest): GenerationRequest => {
    const resolved = { ...request, model };
    return rule === undefined ? resolved : shaped(resolved, rule);
  };
  const [one, ...others] = await withImages(call.requests, model, services, exchange);
  return {
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

type Requests = GenerationCall['requests'];

/** Fetches the images that a call names by address. Its choices share their messages. */
async function withImages(
  requests: Requests,
  model: string,
  services: Services,
  exchange: Exchange,
): Promise<Requests> {
  const [first, ...others] = requests;
  if (first.kind !== 'chat') return requests;
  const images = first.messages.flatMap((message) => (message.role === 'user' ? message.images : []));
  if (images.length === 0) return requests;
  const { count } = services.config.images;
  if (images.filter((image) => 'url' in image).length > count) {
    throw invalidValue('messages', `At most ${count} images a request can be named by address.`);
  }
  const { backend, client } = services.upstream;
  const capabilities = await askUpstream(client, backend, backend.capabilities(model)).catch(() => undefined);
  if (capabilities !== undefined && !capabilities.has('vision')) {
    throw new GatewayError('invalid_value', 'This model does not take images.', { param: 'messages' });
  }
  const messages: Message[] = [];
  for (const message of first.messages) messages.push(await withFetched(message, services, exchange));
  const filled = (request: GenerationRequest): GenerationRequest => ({ ...request, messages }) as GenerationRequest;
  return [filled(first), ...others.map(filled)];
}

/** One image after the other, so that one client cannot take all the places of the fetcher. */
async function withFetched(message: Message, { images }: Services, { signal }: Exchange): Promise<Message> {
  if (message.role !== 'user') return message;
  const fetched: Image[] = [];
  for (const image of message.images) {
    if ('base64' in image) fetched.push(image);
    else if (images !== undefined) fetched.push({ base64: await images.fetch(image.url, image.param, signal) });
    else
      throw invalidValue(image.param, `${image.param} must be a data URI: addresses of images are not fetched here.`);
  }
  return { ...message, images: fetched };
}
