import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/chat/event.ts';
import { stopAt } from '../../src/chat/filters/stop-sequences.ts';

const finish: ChatEvent = {
  type: 'finish',
  reason: 'stop',
  usage: { inputTokens: 46, outputTokens: 44 },
  timings: { total: 1 },
};

interface Outcome {
  readonly events: ChatEvent[];
  readonly text: string;
  readonly stopSequence: string | undefined;
  readonly cuts: number;
}

function run(stops: readonly string[], input: readonly ChatEvent[]): Outcome {
  const events: ChatEvent[] = [];
  let cuts = 0;
  const emit = stopAt(
    stops,
    7,
    (event) => events.push(event),
    () => (cuts += 1),
  );
  for (const event of input) emit(event);
  const last = events.at(-1);
  return {
    events,
    text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    stopSequence: last?.type === 'finish' ? last.stopSequence : undefined,
    cuts,
  };
}

const texts = (...parts: readonly string[]): ChatEvent[] => parts.map((text) => ({ type: 'text', text }));

suite('stopAt', () => {
  test('cuts the answer before a stop sequence and reports which one it was', () => {
    const { events, text, stopSequence, cuts } = run(['STOP'], [...texts('alpha ', 'ga', 'mma ST', 'OP more'), finish]);
    assert.equal(text, 'alpha gamma ');
    assert.equal(stopSequence, 'STOP');
    assert.equal(cuts, 1);
    assert.deepEqual(events.at(-1), {
      type: 'finish',
      reason: 'stop',
      stopSequence: 'STOP',
      usage: { inputTokens: 7, outputTokens: 4 },
      timings: {},
    });
  });

  test('releases held text when only the beginning of a stop sequence came', () => {
    const { text, stopSequence, cuts, events } = run(['STOP'], [...texts('a ST', 'OR', 'M'), finish]);
    assert.deepEqual([text, stopSequence, cuts], ['a STORM', undefined, 0]);
    assert.deepEqual(events.at(-1), finish);
  });

  test('releases held text before an event that is not text', () => {
    const call: ChatEvent = { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}' };
    const { events } = run(['STOP'], [...texts('a ST'), call, finish]);
    assert.deepEqual(
      events.map((event) => (event.type === 'text' ? event.text : event.type)),
      ['a ', 'ST', 'tool-call', 'finish'],
    );
  });

  test('ignores a stop sequence in thinking', () => {
    const { events } = run(['STOP'], [{ type: 'reasoning', text: 'STOP' }, ...texts('a'), finish]);
    assert.deepEqual(events.at(-1), finish);
  });

  test('cuts at a stop sequence however the text is split (property)', () => {
    const letters = fc.constantFrom('a', 'b', 'c', 'é');
    const words = fc.array(letters, { minLength: 1, maxLength: 3 }).map((word) => word.join(''));
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 4 }), fc.array(words), (stops, parts) => {
        const fullText = parts.join('');
        const isStopped = stops.some((stop) => fullText.includes(stop));
        const { text, stopSequence } = run(stops, [...texts(...parts), finish]);
        if (!isStopped) {
          assert.deepEqual([text, stopSequence], [fullText, undefined]);
          return;
        }
        assert.ok(stopSequence !== undefined && stops.includes(stopSequence));
        // The first complete sequence counts: a longer one that began earlier may still have been incomplete.
        assert.ok(fullText.startsWith(text + stopSequence));
        assert.ok(stops.every((stop) => !text.includes(stop)));
      }),
    );
  });
});
