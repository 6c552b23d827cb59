import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { ChatEvent, FinishReason, TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { SearchEvent } from '../../../chat/search.ts';
import { serverTimingComment } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import { GatewayError } from '../../../errors.ts';
import { itemId, responseId } from './ids.ts';
import type { OutputItem } from './items.ts';
import { type OpenItem, OpenMessage, OpenReasoning, type Unnumbered } from './open-item.ts';
import { toErrorFields, toResponseError } from './response-error.ts';
import { type ResponseBody, type ResponseShape, responseBody, toStatus } from './response.ts';
import { begunEvents, endedEvents } from './search/events.ts';
import { endedSearchItem, searchItem } from './search/items.ts';
import { callEvents, callItem, callItemType } from './tools/index.ts';

/** Characters of a response. Its last event repeats the whole answer, which is held in memory until then. */
const maxLength = 16 * 1024 * 1024;

/** The event type of a whole response is `response.` and one of these. */
type Lifecycle = 'created' | 'in_progress' | 'completed' | 'incomplete' | 'failed';

/**
 * Encodes events as the events of a response. One item is open at a time. All of a delta but its text and its sequence
 * number is serialised once per item.
 *
 * A failure is sent twice: some clients read only `error`, others only `response.failed`. The item that it interrupted
 * gets no `done` event; it is in the last event, with the status incomplete.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export class ResponseEncoder implements Encoder {
  readonly #head: AnswerHead;
  readonly #shape: ResponseShape;
  readonly #onComplete: (response: ResponseBody) => void;
  readonly #id: string;
  readonly #output: OutputItem[] = [];
  #sequenceNumber = 0;
  #length = 0;
  #open: OpenItem | undefined;
  #finishReason: FinishReason = 'stop';
  /** The indexes of the items of running searches, by the ids of their calls. */
  readonly #searches = new Map<string, number>();

  /**
   * @param onComplete called with the response before its last event is sent, unless it failed
   */
  constructor(head: AnswerHead, shape: ResponseShape, onComplete: (response: ResponseBody) => void) {
    this.#head = head;
    this.#shape = shape;
    this.#onComplete = onComplete;
    this.#id = responseId(head);
  }

  write(event: ChatEvent): string {
    const start = this.#start();
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return start;
        return start + this.#delta('message', event.text, event.logprobs);
      case 'reasoning':
        return event.text === '' ? start : start + this.#delta('reasoning', event.text);
      case 'tool-call':
        return start + this.#close('completed') + this.#toolCall(event);
      case 'finish':
        return start + this.#finish(event.reason);
      default:
        return event satisfies never;
    }
  }

  end({ usage, timings }: TotalUsage): string {
    const ending = toStatus(this.#finishReason);
    const response = responseBody(this.#id, this.#head, this.#shape.echo, { ...ending, output: this.#output, usage });
    // Storing begins before the client can request the stored response.
    this.#onComplete(response);
    return serverTimingComment(timings) + this.#lifecycle(ending.status, response);
  }

  search(event: SearchEvent): string {
    const start = this.#start();
    switch (event.type) {
      case 'begun': {
        const closing = this.#close('completed');
        const index = this.#output.length;
        const item = searchItem(this.#newId('web_search_call'), 'in_progress', event.query);
        this.#output.push(item);
        this.#searches.set(event.id, index);
        return start + closing + this.#events(begunEvents(item, index));
      }
      case 'ended': {
        const index = this.#searches.get(event.search.id) ?? this.#output.length;
        const item = endedSearchItem(this.#output[index]?.id ?? this.#newId('web_search_call'), event.search);
        this.#output[index] = item;
        return start + this.#events(endedEvents(item, index));
      }
      case 'cited':
        return this.#open instanceof OpenMessage ? start + this.#events(this.#open.cite(event.citations)) : start;
      default:
        return event satisfies never;
    }
  }

  fail(error: GatewayError): string {
    const sequenceNumber = this.#sequenceNumber;
    const start = this.#start();
    const output = this.#open === undefined ? this.#output : [...this.#output, this.#open.item('incomplete')];
    const failed = { status: 'failed', output, error: toResponseError(error) } as const;
    const text =
      start +
      this.#event({ type: 'error', ...toErrorFields(error) }) +
      this.#lifecycle('failed', responseBody(this.#id, this.#head, this.#shape.echo, failed));
    this.#sequenceNumber = sequenceNumber;
    return text;
  }

  keepAlive(): string {
    return this.#start() || this.#lifecycle('in_progress', this.#inProgress());
  }

  /** The events before the first item; '' once they are written. */
  #start(): string {
    if (this.#sequenceNumber > 0) return '';
    const response = this.#inProgress();
    return this.#lifecycle('created', response) + this.#lifecycle('in_progress', response);
  }

  /** Without output, as OpenAI sends it: SDKs keep the items that they have. */
  #inProgress(): ResponseBody {
    return responseBody(this.#id, this.#head, this.#shape.echo, { status: 'in_progress', output: [] });
  }

  #delta(type: 'message' | 'reasoning', text: string, logprobs?: readonly TokenLogprob[]): string {
    this.#addLength(text);
    let opening = '';
    if (this.#open?.type !== type) {
      opening = this.#close('completed');
      const [id, index] = [this.#newId(type), this.#output.length];
      this.#open =
        type === 'message' ? new OpenMessage(id, index) : new OpenReasoning(id, index, this.#shape.sealsReasoning);
      opening += this.#events(this.#open.opening());
    }
    return `${opening}${this.#open.delta(text, logprobs)}${this.#nextNumber()}}\n\n`;
  }

  #close(status: 'completed' | 'incomplete'): string {
    if (this.#open === undefined) return '';
    const closing = this.#events(this.#open.closing(status));
    this.#output.push(this.#open.item(status));
    this.#open = undefined;
    return closing;
  }

  /** Writes an item that has no deltas. */
  protected whole(type: OutputItem['type'], toItem: (id: string) => OutputItem): string {
    const start = this.#start();
    const index = this.#output.length;
    const item = toItem(this.#newId(type));
    this.#output.push(item);
    return (
      start +
      this.#events([
        { type: 'response.output_item.added', output_index: index, item },
        { type: 'response.output_item.done', output_index: index, item },
      ])
    );
  }

  #toolCall(call: ToolCallEvent): string {
    this.#addLength(call.arguments);
    const tool = this.#shape.offered.called(call.name);
    const index = this.#output.length;
    const item = callItem(this.#newId(callItemType(tool)), tool, call);
    this.#output.push(item);
    return this.#events(callEvents(item, index));
  }

  #finish(reason: FinishReason): string {
    this.#finishReason = reason;
    const { status } = toStatus(reason);
    const closing = this.#close(status);
    if (this.#output.some(({ type }) => type !== 'reasoning' && type !== 'web_search_call')) return closing;
    // An empty answer is still a message: some clients repeat the request when there is none.
    this.#open = new OpenMessage(this.#newId('message'), this.#output.length);
    return closing + this.#events(this.#open.opening()) + this.#close(status);
  }

  #addLength(text: string): void {
    this.#length += text.length;
    if (this.#length <= maxLength) return;
    throw new GatewayError('upstream_protocol_error', 'The response is too large.');
  }

  #newId(type: OutputItem['type']): string {
    return itemId(type, this.#id, 'output', this.#output.length);
  }

  #lifecycle(stage: Lifecycle, response: ResponseBody): string {
    // The SDK's type also has the fields that the SDK itself adds.
    return this.#event({ type: `response.${stage}`, response } as Unnumbered<ResponseStreamEvent>);
  }

  #events(events: readonly Unnumbered<ResponseStreamEvent>[]): string {
    return events.map((event) => this.#event(event)).join('');
  }

  #event(event: Unnumbered<ResponseStreamEvent>): string {
    const json = JSON.stringify(event).slice(0, -1);
    return `event: ${event.type}\ndata: ${json},"sequence_number":${this.#nextNumber()}}\n\n`;
  }

  #nextNumber(): number {
    const number = this.#sequenceNumber;
    this.#sequenceNumber += 1;
    return number;
  }
}
