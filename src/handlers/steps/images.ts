import type { GenerationRequest, Image, Message } from '../../chat/request.ts';
import { invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';

type Requests = readonly [GenerationRequest, ...GenerationRequest[]];

interface FetchedImages {
  readonly requests: Requests;
  /** The images field, if the model is known to have no vision: some servers ignore images then. */
  readonly dropped: readonly string[];
}

/**
 * Fetches the images that a call refers to by URL. Its choices share their messages.
 *
 * @throws {GatewayError} 400 for an image that cannot or must not be fetched
 */
export async function fetchImages(
  requests: Requests,
  services: Services,
  exchange: Pick<Exchange, 'abortSignal'>,
): Promise<FetchedImages> {
  const [first, ...others] = requests;
  if (first.kind !== 'chat') return { requests, dropped: [] };
  let [images, addresses] = [0, 0];
  for (const message of first.messages) {
    if (message.role !== 'user') continue;
    images += message.images.length;
    for (const image of message.images) if ('url' in image) addresses += 1;
  }
  if (images === 0) return { requests, dropped: [] };
  const { count } = services.config.images;
  if (addresses > count) {
    throw invalidValue('messages', `At most ${count} images a request can be named by address.`);
  }
  const { capabilities } = await services.pool.models.details(first.model);
  const messages: Message[] = [];
  for (const message of first.messages) messages.push(await withFetched(message, services, exchange));
  const filled = (request: GenerationRequest): GenerationRequest => ({ ...request, messages }) as GenerationRequest;
  return {
    requests: [filled(first), ...others.map(filled)],
    dropped: capabilities === undefined || capabilities.includes('vision') ? [] : ['messages.content.image_url'],
  };
}

/** Fetches one image after the other, so that one client cannot take all places of the fetcher. */
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
