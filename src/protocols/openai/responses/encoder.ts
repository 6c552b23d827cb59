import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { ChatEvent, FinishReason, TokenLogprob, ToolCallEvent } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import { serverTiming } from '../../../chat/server-timing.ts';
import type { Encoder, TotalUsage } from '../../../chat/stream.ts';
import { GatewayError } from '../../../errors.ts';
import { sseComment } from '../../../framing/sse.ts';
import { toErrorFields, toResponseError } from './failure.ts';
import { itemId, responseId } from './ids.ts';
import { type OutputItem, callItem } from './items.ts';
import { type OpenItem, type Unnumbered, openMessage, openReasoning } from './open-item.ts';
import { type Echo, type ResponseBody, ending, responseBody } from './response.ts';

/** Characters of an answer: its last event repeats all of it, so all of it is held. */
const maxLength = 16 * 1024 * 1024;

/** The event of a response as it was or is. */
type Lifecycle = 'created' | 'in_progress' | 'completed' | 'incomplete' | 'failed';

/**
 * Events -> the events of a response. Items are open one at a time; of each delta all but its text and its number is
 * written once. A client that reads only `error` and one that reads only `response.failed` both hear of a failure; an
 * item that it cut short is not declared done, it is in the last event as incomplete.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export class ResponseEncoder implements Encoder {
  readonly #head: AnswerHead;
  readonly #echo: Echo;
  readonly #onWhole: (response: ResponseBody) => void;
  readonly #id: string;
  readonly #output: OutputItem[] = [];
  #sequence = 0;
  #length = 0;
  #open: OpenItem | undefined;
  #finishReason: FinishReason = 'stop';

  /** @param onWhole gets the response before its last event goes out, unless it failed */
  constructor(head: AnswerHead, echo: Echo, onWhole: (response: ResponseBody) => void) {
    this.#head = head;
    this.#echo = echo;
    this.#onWhole = onWhole;
    this.#id = responseId(head.id);
  }

  write(event: ChatEvent): string {
    const begun = this.#begin();
    switch (event.type) {
      case 'text':
        if (event.text === '' && event.logprobs === undefined) return begun;
        return begun + this.#delta('message', event.text, event.logprobs);
      case 'reasoning':
        return event.text === '' ? begun : begun + this.#delta('reasoning', event.text);
      case 'tool-call':
        return begun + this.#close('completed') + this.#call(event);
      case 'finish':
        return begun + this.#finish(event.reason);
      default:
        return event satisfies never;
    }
  }

  end({ usage, timings }: TotalUsage): string {
    const end = ending(this.#finishReason);
    const response = responseBody(this.#id, this.#head, this.#echo, { ...end, output: this.#output, usage });
    // Begun before the client can ask for it.
    this.#onWhole(response);
    const timing = serverTiming(timings);
    const comment = timing === '' ? '' : sseComment(`server-timing: ${timing}`);
    return comment + this.#lifecycle(end.status, response);
  }

  fail(error: GatewayError): string {
    const begun = this.#begin();
    const output = this.#open === undefined ? this.#output : [...this.#output, this.#open.item('incomplete')];
    const failed = { status: 'failed', output, error: toResponseError(error) } as const;
    return (
      begun +
      this.#frame({ type: 'error', ...toErrorFields(error) }) +
      this.#lifecycle('failed', responseBody(this.#id, this.#head, this.#echo, failed))
    );
  }

  /** The events before the first item. */
  #begin(): string {
    if (this.#sequence > 0) return '';
    const response = responseBody(this.#id, this.#head, this.#echo, { status: 'in_progress', output: [] });
    return this.#lifecycle('created', response) + this.#lifecycle('in_progress', response);
  }

  #delta(type: 'message' | 'reasoning', text: string, logprobs?: readonly TokenLogprob[]): string {
    this.#hold(text);
    let opened = '';
    if (this.#open?.type !== type) {
      opened = this.#close('completed');
      this.#open = (type === 'message' ? openMessage : openReasoning)(this.#newId(type), this.#output.length);
      opened += this.#frames(this.#open.opening());
    }
    return `${opened}${this.#open.delta(text, logprobs)}${this.#next()}}\n\n`;
  }

  #close(status: 'completed' | 'incomplete'): string {
    if (this.#open === undefined) return '';
    const closing = this.#frames(this.#open.closing(status));
    this.#output.push(this.#open.item(status));
    this.#open = undefined;
    return closing;
  }

  /** A call is never cut into pieces: backends give it whole. */
  #call(event: ToolCallEvent): string {
    const place = { item_id: this.#newId('function_call'), output_index: this.#output.length };
    const { name, arguments: text } = event;
    this.#hold(text);
    const item = callItem(place.item_id, 'completed', event);
    this.#output.push(item);
    const { output_index } = place;
    // The SDK's type does not know that the name is there.
    const done = { type: 'response.function_call_arguments.done' as const, ...place, name, arguments: text };
    return this.#frames([
      { type: 'response.output_item.added', output_index, item: { ...item, status: 'in_progress', arguments: '' } },
      { type: 'response.function_call_arguments.delta', ...place, delta: text },
      done,
      { type: 'response.output_item.done', output_index, item },
    ]);
  }

  #finish(reason: FinishReason): string {
    this.#finishReason = reason;
    const { status } = ending(reason);
    const closed = this.#close(status);
    if (this.#output.some(({ type }) => type !== 'reasoning')) return closed;
    // An answer without anything is still a message: some clients ask again where there is none.
    this.#open = openMessage(this.#newId('message'), this.#output.length);
    return closed + this.#frames(this.#open.opening()) + this.#close(status);
  }

  #hold(text: string): void {
    this.#length += text.length;
    if (this.#length <= maxLength) return;
    throw new GatewayError('upstream_protocol_error', 'The response is too large.');
  }

  #newId(type: OutputItem['type']): string {
    return itemId(type, this.#id, 'output', this.#output.length);
  }

  #lifecycle(stage: Lifecycle, response: ResponseBody): string {
    // What is not sent is what the SDK itself adds.
    return this.#frame({ type: `response.${stage}`, response } as Unnumbered<ResponseStreamEvent>);
  }

  #frames(events: readonly Unnumbered<ResponseStreamEvent>[]): string {
    return events.map((event) => this.#frame(event)).join('');
  }

  #frame(event: Unnumbered<ResponseStreamEvent>): string {
    return `event: ${event.type}\ndata: ${JSON.stringify(event).slice(0, -1)},"sequence_number":${this.#next()}}\n\n`;
  }

  #next(): number {
    const number = this.#sequence;
    this.#sequence += 1;
    return number;
  }
}
