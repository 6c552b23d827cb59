import type { ChatEvent } from '../../../../chat/event.ts';
import { compactionItem } from './item.ts';
import { ResponseEncoder } from '../encoder.ts';

/** Encodes an answer as one item with the summary. */
export class CompactionEncoder extends ResponseEncoder {
  #summary = '';

  override write(event: ChatEvent): string {
    if (event.type === 'text') this.#summary += event.text;
    if (event.type !== 'finish') return super.write({ type: 'text', text: '' });
    return this.whole('compaction', (id) => compactionItem(id, this.#summary)) + super.write(event);
  }
}
