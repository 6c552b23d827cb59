import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Candidate, rankUpstreams } from '../../src/pool/ranking.ts';

function box(name: string, known: Partial<Candidate> = {}): Candidate {
  return { name, weight: 1, wait: 0, load: 0, outstanding: 0, ...known };
}

const names = (candidates: readonly Candidate[]): string[] => candidates.map(({ name }) => name);
const first = (candidates: readonly Candidate[], conversation?: string, slack = 0): string | undefined =>
  rankUpstreams(candidates, conversation, slack)[0]?.name;

suite('what would begin soonest is asked first', () => {
  test('the box that holds the model, before idle ones that do not', () => {
    assert.equal(first([box('idle', { load: 8_000 }), box('warm', { wait: 3_000, outstanding: 1 })]), 'warm');
  });

  test('an idle one, once waiting takes longer than loading', () => {
    assert.equal(first([box('idle', { load: 8_000 }), box('warm', { wait: 9_000, outstanding: 3 })]), 'idle');
  });

  test('the others after it, in the order of their delay', () => {
    const boxes = [box('c', { wait: 3_000 }), box('a'), box('b', { load: 2_000 })];
    assert.deepEqual(names(rankUpstreams(boxes, 'x', 0)), ['a', 'b', 'c']);
  });

  test('the one that has least to do, where there is no conversation', () => {
    const boxes = [box('a', { outstanding: 2 }), box('b', { outstanding: 1 }), box('c', { outstanding: 3, weight: 4 })];
    assert.equal(first(boxes), 'c');
  });
});

suite('a conversation', () => {
  const boxes = ['a', 'b', 'c', 'd'].map((name) => box(name));
  const conversations = Array.from({ length: 2_000 }, (_, index) => `conversation ${index}`);

  test('stays where it was, in whatever order the boxes are named', () => {
    for (const conversation of conversations.slice(0, 100)) {
      assert.equal(first(boxes, conversation), first(boxes.toReversed(), conversation));
    }
  });

  test('stays where it was when another box leaves', () => {
    for (const conversation of conversations) {
      const home = first(boxes, conversation);
      if (home === 'd') continue;
      assert.equal(first(boxes.slice(0, 3), conversation), home);
    }
  });

  test('is as likely at a box as the box has weight', () => {
    const weighted = [box('a'), box('b', { weight: 3 })];
    const atB = conversations.filter((conversation) => first(weighted, conversation) === 'b').length;
    assert.ok(Math.abs(atB / conversations.length - 0.75) < 0.04, `${atB} of ${conversations.length}`);
  });

  test('stays with a box that takes a little longer, and leaves one that takes much longer', () => {
    const home = first(boxes, 'x') ?? '';
    const with_ = (wait: number): Candidate[] => boxes.map((one) => (one.name === home ? { ...one, wait } : one));
    assert.equal(first(with_(400), 'x', 500), home);
    assert.notEqual(first(with_(600), 'x', 500), home);
  });

  test('leaves a box that has more than its share', () => {
    const home = first(boxes, 'x') ?? '';
    const busy = boxes.map((one) => ({ ...one, outstanding: one.name === home ? 9 : 2 }));
    assert.notEqual(first(busy, 'x', 500), home);
    const even = boxes.map((one) => ({ ...one, outstanding: 9 }));
    assert.equal(first(even, 'x', 500), home);
  });
});
