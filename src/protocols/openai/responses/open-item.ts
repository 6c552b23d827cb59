import type { ResponseStreamEvent, ResponseTextDeltaEvent } from 'openai/resources/responses/responses';
import type { TokenLogprob } from '../../../chat/event.ts';
import { type ItemStatus, type OutputItem, messageItem, outputText, reasoningItem, summaryText } from './items.ts';

/** An event without the number that the stream gives it. */
export type Unnumbered<Event> = Event extends unknown ? Omit<Event, 'sequence_number'> : never;

/** An item whose text is still growing. */
export interface OpenItem {
  readonly type: 'message' | 'reasoning';
  opening(): Unnumbered<ResponseStreamEvent>[];
  /** The frame of a piece of text, up to its number. */
  delta(text: string, logprobs?: readonly TokenLogprob[]): string;
  closing(status: ItemStatus): Unnumbered<ResponseStreamEvent>[];
  /** As it is now. */
  item(status: ItemStatus): OutputItem;
}

export function openMessage(id: string, index: number): OpenItem {
  const place = { item_id: id, output_index: index, content_index: 0 };
  const type = 'response.output_text.delta';
  const head = `event: ${type}\ndata: ${JSON.stringify({ type, ...place }).slice(0, -1)},"delta":`;
  const noLogprobs = ',"logprobs":[],"sequence_number":';
  const pieces: TokenLogprob[] = [];
  let whole = '';
  const item = (status: ItemStatus): OutputItem => messageItem(id, status, [outputText(whole, pieces)]);
  return {
    type: 'message',
    opening: () => [
      { type: 'response.output_item.added', output_index: index, item: messageItem(id, 'in_progress', []) },
      { type: 'response.content_part.added', ...place, part: outputText('') },
    ],
    delta(text, logprobs) {
      whole += text;
      if (logprobs === undefined) return head + JSON.stringify(text) + noLogprobs;
      for (const logprob of logprobs) pieces.push(logprob);
      return `${head}${JSON.stringify(text)},"logprobs":${JSON.stringify(logprobs.map(toLogprob))},"sequence_number":`;
    },
    closing: (status) => [
      { type: 'response.output_text.done', ...place, text: whole, logprobs: pieces.map(toLogprob) },
      { type: 'response.content_part.done', ...place, part: outputText(whole, pieces) },
      { type: 'response.output_item.done', output_index: index, item: item(status) },
    ],
    item,
  };
}

export function openReasoning(id: string, index: number): OpenItem {
  const place = { item_id: id, output_index: index, summary_index: 0 };
  const type = 'response.reasoning_summary_text.delta';
  const head = `event: ${type}\ndata: ${JSON.stringify({ type, ...place }).slice(0, -1)},"delta":`;
  let whole = '';
  const item = (status: ItemStatus): OutputItem => reasoningItem(id, status, [summaryText(whole)]);
  return {
    type: 'reasoning',
    opening: () => [
      { type: 'response.output_item.added', output_index: index, item: reasoningItem(id, 'in_progress', []) },
      { type: 'response.reasoning_summary_part.added', ...place, part: summaryText('') },
    ],
    delta(text) {
      whole += text;
      return `${head}${JSON.stringify(text)},"sequence_number":`;
    },
    closing: (status) => [
      { type: 'response.reasoning_summary_text.done', ...place, text: whole },
      { type: 'response.reasoning_summary_part.done', ...place, part: summaryText(whole) },
      { type: 'response.output_item.done', output_index: index, item: item(status) },
    ],
    item,
  };
}

/** Events leave the bytes out. */
function toLogprob({ token, logprob, top_logprobs: top }: TokenLogprob): ResponseTextDeltaEvent.Logprob {
  return { token, logprob, top_logprobs: top.map((other) => ({ token: other.token, logprob: other.logprob })) };
}
