import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/chat/event.ts';
import { stopAt } from '../../src/chat/stop-sequences.ts';

const finish: ChatEvent = {
  type: 'finish',
  reason: 'stop',
  usage: { inputTokens: 46, outputTokens: 44 },
  timings: { total: 1 },
};

interface Seen {
  readonly events: ChatEvent[];
  readonly text: string;
  readonly stopSequence: string | undefined;
  readonly cuts: number;
}

function run(stops: readonly string[], given: readonly ChatEvent[]): Seen {
  const events: ChatEvent[] = [];
  let cuts = 0;
  const emit = stopAt(
    stops,
    7,
    (event) => events.push(event),
    () => (cuts += 1),
  );
  for (const event of given) emit(event);
  const last = events.at(-1);
  return {
    events,
    text: events.map((event) => (event.type === 'text' ? event.text : '')).join(''),
    stopSequence: last?.type === 'finish' ? last.stopSequence : undefined,
    cuts,
  };
}

const texts = (...parts: readonly string[]): ChatEvent[] => parts.map((text) => ({ type: 'text', text }));

suite('an answer that ends at a stop sequence', () => {
  test('is cut before it, and names it', () => {
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

  test('goes on where only the beginning of one came', () => {
    const { text, stopSequence, cuts, events } = run(['STOP'], [...texts('a ST', 'OR', 'M'), finish]);
    assert.deepEqual([text, stopSequence, cuts], ['a STORM', undefined, 0]);
    assert.deepEqual(events.at(-1), finish);
  });

  test('gives what it held back before what is no text', () => {
    const call: ChatEvent = { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}' };
    const { events } = run(['STOP'], [...texts('a ST'), call, finish]);
    assert.deepEqual(
      events.map((event) => (event.type === 'text' ? event.text : event.type)),
      ['a ', 'ST', 'tool-call', 'finish'],
    );
  });

  test('is not ended by thinking', () => {
    const { events } = run(['STOP'], [{ type: 'reasoning', text: 'STOP' }, ...texts('a'), finish]);
    assert.deepEqual(events.at(-1), finish);
  });

  test('is cut where the first of the sequences begins, however it arrives', () => {
    const letters = fc.constantFrom('a', 'b', 'c', 'é');
    const words = fc.array(letters, { minLength: 1, maxLength: 3 }).map((of) => of.join(''));
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 4 }), fc.array(words), (stops, parts) => {
        const whole = parts.join('');
        const places = stops.map((stop) => whole.indexOf(stop)).filter((at) => at !== -1);
        const { text, stopSequence } = run(stops, [...texts(...parts), finish]);
        if (places.length === 0) {
          assert.deepEqual([text, stopSequence], [whole, undefined]);
          return;
        }
        assert.ok(stopSequence !== undefined && stops.includes(stopSequence));
        // What arrives first counts: a longer sequence that began before may still have been on its way.
        assert.ok(whole.startsWith(text + stopSequence));
        assert.ok(stops.every((stop) => !text.includes(stop)));
      }),
    );
  });
});
