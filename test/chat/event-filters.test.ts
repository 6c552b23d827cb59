import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { firstToolCallOnly, withoutReasoning } from '../../src/chat/filters/event-filters.ts';
import type { ChatEvent, Emit } from '../../src/chat/event.ts';

const events: readonly ChatEvent[] = [
  { type: 'reasoning', text: 'Hm.' },
  { type: 'text', text: 'a' },
  { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}' },
  { type: 'tool-call', id: 'call_2', name: 'g', arguments: '{}' },
  { type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} },
];

function filtered(filter: (emit: Emit) => Emit): ChatEvent[] {
  const passed: ChatEvent[] = [];
  const emit = filter((event) => passed.push(event));
  for (const event of events) emit(event);
  return passed;
}

suite('event filters', () => {
  test('withoutReasoning drops only the thinking', () => {
    assert.deepEqual(filtered(withoutReasoning), events.slice(1));
  });

  test('firstToolCallOnly drops only the calls after the first', () => {
    assert.deepEqual(filtered(firstToolCallOnly), events.toSpliced(3, 1));
  });
});
