import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Candidate, rankUpstreams } from '../../src/pool/ranking.ts';

function upstream(name: string, known: Partial<Candidate> = {}): Candidate {
  return { name, weight: 1, wait: 0, load: 0, outstanding: 0, ...known };
}

const names = (candidates: readonly Candidate[]): string[] => candidates.map(({ name }) => name);
const first = (candidates: readonly Candidate[], conversation?: string, slack = 0): string | undefined =>
  rankUpstreams(candidates, conversation, slack)[0]?.name;

suite('the ranking of upstreams', () => {
  test('prefers one that holds the model to an idle one that does not', () => {
    assert.equal(first([upstream('idle', { load: 8_000 }), upstream('warm', { wait: 3_000, outstanding: 1 })]), 'warm');
  });

  test('prefers an idle one when waiting takes longer than loading the model', () => {
    assert.equal(first([upstream('idle', { load: 8_000 }), upstream('warm', { wait: 9_000, outstanding: 3 })]), 'idle');
  });

  test('orders the others by their delay', () => {
    const upstreams = [upstream('c', { wait: 3_000 }), upstream('a'), upstream('b', { load: 2_000 })];
    assert.deepEqual(names(rankUpstreams(upstreams, 'x', 0)), ['a', 'b', 'c']);
  });

  test('prefers the one with the least to do for its weight when there is no conversation', () => {
    const upstreams = [
      upstream('a', { outstanding: 2 }),
      upstream('b', { outstanding: 1 }),
      upstream('c', { outstanding: 3, weight: 4 }),
    ];
    assert.equal(first(upstreams), 'c');
  });
});

suite('the upstream of a conversation', () => {
  const upstreams = ['a', 'b', 'c', 'd'].map((name) => upstream(name));
  const conversations = Array.from({ length: 2_000 }, (_, index) => `conversation ${index}`);

  test('does not depend on the order of the configuration', () => {
    for (const conversation of conversations.slice(0, 100)) {
      assert.equal(first(upstreams, conversation), first(upstreams.toReversed(), conversation));
    }
  });

  test('stays the same when another upstream leaves', () => {
    for (const conversation of conversations) {
      const home = first(upstreams, conversation);
      if (home === 'd') continue;
      assert.equal(first(upstreams.slice(0, 3), conversation), home);
    }
  });

  test('is chosen with a probability in proportion to its weight', () => {
    const weighted = [upstream('a'), upstream('b', { weight: 3 })];
    const atB = conversations.filter((conversation) => first(weighted, conversation) === 'b').length;
    assert.ok(Math.abs(atB / conversations.length - 0.75) < 0.04, `${atB} of ${conversations.length}`);
  });

  test('stays the same while it is slower by less than the slack, and changes beyond that', () => {
    const home = first(upstreams, 'x') ?? '';
    const withWait = (wait: number): Candidate[] =>
      upstreams.map((candidate) => (candidate.name === home ? { ...candidate, wait } : candidate));
    assert.equal(first(withWait(400), 'x', 500), home);
    assert.notEqual(first(withWait(600), 'x', 500), home);
  });

  test('changes when it has more than its share of the requests', () => {
    const home = first(upstreams, 'x') ?? '';
    const busy = upstreams.map((candidate) => ({ ...candidate, outstanding: candidate.name === home ? 9 : 2 }));
    assert.notEqual(first(busy, 'x', 500), home);
    const even = upstreams.map((candidate) => ({ ...candidate, outstanding: 9 }));
    assert.equal(first(even, 'x', 500), home);
  });
});
