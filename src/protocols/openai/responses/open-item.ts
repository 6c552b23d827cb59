import type {
  ResponseOutputText,
  ResponseStreamEvent,
  ResponseTextDeltaEvent,
} from 'openai/resources/responses/responses';
import type { TokenLogprob } from '../../../chat/event.ts';
import type { Citation } from '../../../chat/search.ts';
import {
  type ItemStatus,
  type OutputItem,
  messageItem,
  outputText,
  reasoningItem,
  summaryText,
  toAnnotation,
} from './items.ts';

/** An event without the sequence number that the stream gives it. */
export type Unnumbered<Event> = Event extends unknown ? Omit<Event, 'sequence_number'> : never;

/** An item of a stream whose text is not complete. */
export interface OpenItem {
  readonly type: 'message' | 'reasoning';
  /** The events before its first delta. */
  opening(): Unnumbered<ResponseStreamEvent>[];
  /** Adds a text. @returns the event of its delta up to the sequence number */
  delta(text: string, logprobs?: readonly TokenLogprob[]): string;
  /** The events after its last delta. */
  closing(status: ItemStatus): Unnumbered<ResponseStreamEvent>[];
  /** The item with the text so far. */
  item(status: ItemStatus): OutputItem;
}

/** A message of the assistant. */
export class OpenMessage implements OpenItem {
  readonly type = 'message';
  readonly #position: { item_id: string; output_index: number; content_index: number };
  readonly #deltaStart: string;
  readonly #logprobs: TokenLogprob[] = [];
  #text = '';
  #citations: readonly Citation[] = [];

  /** @param index of the item in the response's output */
  constructor(id: string, index: number) {
    this.#position = { item_id: id, output_index: index, content_index: 0 };
    this.#deltaStart = deltaStart({ type: 'response.output_text.delta', ...this.#position });
  }

  opening(): Unnumbered<ResponseStreamEvent>[] {
    const { item_id: id, output_index } = this.#position;
    return [
      { type: 'response.output_item.added', output_index, item: messageItem(id, 'in_progress', []) },
      { type: 'response.content_part.added', ...this.#position, part: outputText('') },
    ];
  }

  delta(text: string, logprobs: readonly TokenLogprob[] = []): string {
    this.#text += text;
    for (const logprob of logprobs) this.#logprobs.push(logprob);
    const json = logprobs.length === 0 ? '[]' : JSON.stringify(logprobs.map(toLogprob));
    return `${this.#deltaStart}${JSON.stringify(text)},"logprobs":${json},"sequence_number":`;
  }

  closing(status: ItemStatus): Unnumbered<ResponseStreamEvent>[] {
    const text = this.#text;
    const logprobs = this.#logprobs.map(toLogprob);
    const { output_index } = this.#position;
    return [
      { type: 'response.output_text.done', ...this.#position, text, logprobs },
      { type: 'response.content_part.done', ...this.#position, part: this.#part() },
      { type: 'response.output_item.done', output_index, item: this.item(status) },
    ];
  }

  item(status: ItemStatus): OutputItem {
    return messageItem(this.#position.item_id, status, [this.#part()]);
  }

  /** Adds citations, of which those count that are in this text. @returns their events */
  cite(citations: readonly Citation[]): Unnumbered<ResponseStreamEvent>[] {
    this.#citations = citations.filter(({ url, start, end }) => this.#text.slice(start, end) === url);
    return this.#citations.map((citation, index) => ({
      type: 'response.output_text.annotation.added',
      ...this.#position,
      annotation_index: index,
      annotation: toAnnotation(citation),
    }));
  }

  #part(): ResponseOutputText {
    return outputText(this.#text, this.#logprobs, this.#citations);
  }
}

/** An item of the model's thinking. */
export class OpenReasoning implements OpenItem {
  readonly type = 'reasoning';
  readonly #position: { item_id: string; output_index: number; summary_index: number };
  readonly #deltaStart: string;
  readonly #isSealed: boolean;
  #text = '';

  /** @param index of the item in the response's output @param isSealed true to repeat the text in `encrypted_content` */
  constructor(id: string, index: number, isSealed: boolean) {
    this.#isSealed = isSealed;
    this.#position = { item_id: id, output_index: index, summary_index: 0 };
    this.#deltaStart = deltaStart({ type: 'response.reasoning_summary_text.delta', ...this.#position });
  }

  opening(): Unnumbered<ResponseStreamEvent>[] {
    const { item_id: id, output_index } = this.#position;
    return [
      {
        type: 'response.output_item.added',
        output_index,
        item: reasoningItem(id, 'in_progress', { text: undefined, isSealed: this.#isSealed }),
      },
      { type: 'response.reasoning_summary_part.added', ...this.#position, part: summaryText('') },
    ];
  }

  delta(text: string): string {
    this.#text += text;
    return `${this.#deltaStart}${JSON.stringify(text)},"sequence_number":`;
  }

  closing(status: ItemStatus): Unnumbered<ResponseStreamEvent>[] {
    const text = this.#text;
    const { output_index } = this.#position;
    return [
      { type: 'response.reasoning_summary_text.done', ...this.#position, text },
      { type: 'response.reasoning_summary_part.done', ...this.#position, part: summaryText(text) },
      { type: 'response.output_item.done', output_index, item: this.item(status) },
    ];
  }

  item(status: ItemStatus): OutputItem {
    return reasoningItem(this.#position.item_id, status, { text: this.#text, isSealed: this.#isSealed });
  }
}

/** @returns the text of a delta's event up to the JSON of the delta itself, which is the same for all deltas of an item */
function deltaStart(event: { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event).slice(0, -1)},"delta":`;
}

/** The log probabilities in events have no bytes, unlike those in items. */
function toLogprob({ token, logprob, top_logprobs: top }: TokenLogprob): ResponseTextDeltaEvent.Logprob {
  return { token, logprob, top_logprobs: top.map((other) => ({ token: other.token, logprob: other.logprob })) };
}
