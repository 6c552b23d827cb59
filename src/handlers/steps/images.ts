import type { GenerationCall } from '../../chat/protocol.ts';
import type { GenerationRequest, Image, Message } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';

type Requests = GenerationCall['requests'];

/**
 * Fetches the images that a call names by address. Its choices share their messages.
 *
 * @returns also the field that names images, where the model is known not to see: some servers then ignore them
 * @throws {GatewayError} 400 for an image that cannot or may not be fetched
 */
export async function fetchImages(
  requests: Requests,
  model: string,
  services: Services,
  exchange: Pick<Exchange, 'abortSignal'>,
): Promise<{ requests: Requests; dropped: readonly string[] }> {
  const [first, ...others] = requests;
  const images = imagesOf(first);
  if (first.kind !== 'chat' || images.length === 0) return { requests, dropped: [] };
  const { count } = services.config.images;
  if (images.filter((image) => 'url' in image).length > count) {
    throw invalidValue('messages', `At most ${count} images a request can be named by address.`);
  }
  const { capabilities } = await services.pool.models.details(model);
  const messages: Message[] = [];
  for (const message of first.messages) messages.push(await withFetched(message, services, exchange));
  const filled = (request: GenerationRequest): GenerationRequest => ({ ...request, messages }) as GenerationRequest;
  return {
    requests: [filled(first), ...others.map(filled)],
    dropped: capabilities === undefined || capabilities.includes('vision') ? [] : ['messages.content.image_url'],
  };
}

function imagesOf(request: GenerationRequest): readonly Image[] {
  if (request.kind !== 'chat') return [];
  return request.messages.flatMap((message) => (message.role === 'user' ? message.images : []));
}

/** One image after the other, so that one client cannot take all the places of the fetcher. */
async function withFetched(
  message: Message,
  { images }: Services,
  { abortSignal }: Pick<Exchange, 'abortSignal'>,
): Promise<Message> {
  if (message.role !== 'user') return message;
  const fetched: Image[] = [];
  for (const image of message.images) {
    if ('base64' in image) fetched.push(image);
    else if (images !== undefined) fetched.push({ base64: await images.fetch(image.url, image.param, abortSignal) });
    else throw invalidValue(image.param, `${image.param} must be a data URI: addresses are not fetched here.`);
  }
  return { ...message, images: fetched };
}
