import type { ModelDetails } from '../../chat/backend.ts';
import type { Attachments, Audio, ChatRequest, GenerationRequest, Image, Message } from '../../chat/request.ts';
import { settleHistory } from '../../chat/history/settle.ts';
import { GatewayError, invalidValue } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';
import { hearingModels } from './hearing-models.ts';

type Requests = readonly [GenerationRequest, ...GenerationRequest[]];

interface Prepared {
  readonly requests: Requests;
  /** The kinds of attachments that were left out. */
  readonly dropped: readonly string[];
}

/**
 * Prepares the messages of a call for its model: fetches images by URL, extracts the text of PDFs, and brings the history
 * into a form that every backend takes. Its choices share their messages.
 *
 * An attachment of the last message that cannot be read is an error. In earlier messages, and in the results of tools, it is
 * replaced by a short text and reported as dropped: the client cannot remove it, so an error would end the conversation.
 *
 * @throws {GatewayError} 400 for an attachment of the last message that cannot be read, or that the model cannot take
 */
export async function prepareMessages(
  requests: Requests,
  services: Services,
  exchange: Pick<Exchange, 'abortSignal' | 'key' | 'admitted'>,
): Promise<Prepared> {
  const [first] = requests;
  if (first.kind !== 'chat') return { requests, dropped: [] };
  if (!first.messages.some(hasAttachments)) return withMessages(requests, settleHistory(first), []);
  // Each choice is sent in a body of its own.
  const hold = (text: string): void => exchange.admitted?.hold(text.length * requests.length);
  const { messages, dropped } = await readAttachments(first, { services, exchange, hold });
  return withMessages(requests, settleHistory({ ...first, messages }), dropped);
}

function withMessages(requests: Requests, settled: ChatRequest, dropped: readonly string[]): Prepared {
  const [first, ...others] = requests;
  if (settled === first) return { requests, dropped };
  const filled = (request: GenerationRequest): GenerationRequest =>
    ({ ...request, messages: settled.messages }) as GenerationRequest;
  return { requests: [settled, ...others.map(filled)], dropped };
}

interface Reading {
  readonly services: Services;
  readonly exchange: Pick<Exchange, 'abortSignal' | 'key' | 'admitted'>;
  /** Counts what is added to the request. @throws {GatewayError} 503 when that is too much */
  readonly hold: (text: string) => void;
}

async function readAttachments(
  request: ChatRequest,
  { services, exchange, hold }: Reading,
): Promise<{ readonly messages: readonly Message[]; readonly dropped: readonly string[] }> {
  const { messages } = request;
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant' || role === 'tool');
  const isNew = (index: number): boolean => index > lastAnswer && messages[index]?.role === 'user';
  const { count } = services.config.images;
  let [addresses, documents] = [0, 0];
  messages.forEach((message, index) => {
    const here = addressesIn(message);
    if (isNew(index) && here > count) {
      throw invalidValue('messages', `A request may contain at most ${count} image URLs.`);
    }
    addresses += here;
    documents += message.documents?.length ?? 0;
  });
  const details = await services.pool.models.details(request.model);
  const tooMany = { addresses: addresses - count, documents: documents - services.config.documents.count };
  const reader = new AttachmentReader({ services, exchange, hold }, details, tooMany);
  const read: Message[] = [];
  // One after the other, so that one client cannot take all places of the fetcher.
  for (const [index, message] of messages.entries()) read.push(await reader.read(message, isNew(index)));
  return { messages: read, dropped: [...reader.dropped] };
}

function hasAttachments({ images = [], audio = [], documents = [] }: Attachments): boolean {
  return images.length > 0 || audio.length > 0 || documents.length > 0;
}

function addressesIn({ images = [] }: Attachments): number {
  return images.filter((image) => 'url' in image).length;
}

/** Reads the attachments of the messages of one request. */
class AttachmentReader {
  readonly dropped = new Set<string>();
  readonly #services: Services;
  readonly #exchange: Reading['exchange'];
  readonly #hold: Reading['hold'];
  readonly #capabilities: readonly string[] | undefined;
  /** The oldest images by URL, and the oldest documents, which are left out. */
  readonly #tooMany: { addresses: number; documents: number };

  constructor(
    { services, exchange, hold }: Reading,
    { capabilities }: ModelDetails,
    tooMany: { addresses: number; documents: number },
  ) {
    this.#services = services;
    this.#exchange = exchange;
    this.#hold = hold;
    this.#capabilities = capabilities;
    this.#tooMany = tooMany;
  }

  /** @param isNew true if the client can still change the message */
  async read(message: Message, isNew: boolean): Promise<Message> {
    if (!hasAttachments(message)) return message;
    const { images = [], audio = [], documents = [], ...rest } = message;
    const notes: string[] = [];
    const readImages: Image[] = [];
    for (const image of images) {
      const read = await this.#readImage(image, isNew);
      if (typeof read === 'string') notes.push(this.#leaveOut(read, 'messages.content.image_url'));
      else readImages.push(read);
    }
    const readAudio: Audio[] = [];
    for (const recording of audio) {
      const read = await this.#readAudio(recording, isNew);
      if (typeof read === 'string') notes.push(this.#leaveOut(read, 'messages.content.input_audio'));
      else readAudio.push(read);
    }
    let { text } = rest;
    for (const document of documents) text = await this.#withText(text, document);
    return {
      ...rest,
      text: [text, ...notes].filter((part) => part !== '').join('\n'),
      ...((readImages.length > 0 || rest.role === 'user') && { images: readImages }),
      ...(readAudio.length > 0 && { audio: readAudio }),
    } as Message;
  }

  #leaveOut(text: string, field: string): string {
    this.dropped.add(field);
    return text;
  }

  /** @returns the image with its data, or the text in its place */
  async #readImage(image: Image, isNew: boolean): Promise<Image | string> {
    if (this.#lacks('vision')) return '[An image is left out: this model does not see images.]';
    if ('base64' in image) return image;
    if ('fault' in image) return orThrow(image.fault, isNew);
    this.#tooMany.addresses -= 1;
    if (this.#tooMany.addresses >= 0) return '[An image is left out: there are too many.]';
    const { images } = this.#services;
    const { abortSignal, admitted } = this.#exchange;
    if (images === undefined) {
      const message = `${image.param} must be a data URI: addresses are not fetched here.`;
      return orThrow(invalidValue(image.param, message), isNew);
    }
    try {
      const base64 = await images.fetch(image.url, image.param, abortSignal, admitted?.owner);
      this.#hold(base64);
      return { base64 };
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'invalid_value') return orThrow(error, isNew);
      throw error;
    }
  }

  async #readAudio(audio: Audio, isNew: boolean): Promise<Audio | string> {
    if (this.#lacks('audio')) {
      if (isNew) throw await this.#deaf(audio);
      return '[A recording is left out: this model does not take audio.]';
    }
    if (!('fault' in audio)) return audio;
    if (isNew) throw audio.fault;
    return '[A recording is left out: it cannot be read.]';
  }

  async #deaf(audio: Audio): Promise<GatewayError> {
    const param = 'fault' in audio ? audio.fault.param : audio.param;
    const models = await hearingModels(this.#services, this.#exchange.key);
    const others = models.length === 0 ? 'No model here does.' : `These do: ${models.join(', ')}.`;
    return invalidValue(param ?? 'messages', `This model does not take audio. ${others}`);
  }

  /** Replaces a document's placeholder by its text. */
  async #withText(text: string, { placeholder, name, base64, field }: Document): Promise<string> {
    this.#tooMany.documents -= 1;
    const { abortSignal, admitted } = this.#exchange;
    const extractor = this.#tooMany.documents >= 0 ? undefined : this.#services.documents;
    const extracted = await extractor?.extract(base64, abortSignal, admitted?.owner);
    if (extracted === undefined) {
      this.dropped.add(field);
      return text;
    }
    this.#hold(extracted);
    if (extracted.trim() !== '')
      return text.replace(placeholder, () => (name === '' ? extracted : `${name}\n${extracted}`));
    this.dropped.add(field);
    return text.replace(placeholder, () => placeholder.replace(/:[^:]*$/, ': no text could be extracted from it.]'));
  }

  /** False if the model's capabilities are not known. */
  #lacks(capability: string): boolean {
    return this.#capabilities?.includes(capability) === false;
  }
}

type Document = NonNullable<Attachments['documents']>[number];

function orThrow(fault: GatewayError, isNew: boolean): string {
  if (isNew) throw fault;
  return '[An image is left out: it cannot be read.]';
}
