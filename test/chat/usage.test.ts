import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { serverTiming, serverTimingComment, withQueueTime } from '../../src/chat/server-timing.ts';
import { sumUsage } from '../../src/chat/sum-usage.ts';

suite('sumUsage', () => {
  test('returns the usage and timings of a single choice unchanged', () => {
    const usage = { inputTokens: 3, outputTokens: 2, cachedTokens: 1 };
    assert.deepEqual(sumUsage([{ usage, timings: { eval: 1 } }]), { usage, timings: { eval: 1 } });
  });

  test('adds tokens up, and takes the longest of each duration', () => {
    const parts = [
      { usage: { inputTokens: 3, outputTokens: 2 }, timings: { eval: 1, load: 5 } },
      { usage: { inputTokens: 4, outputTokens: 6, cachedTokens: 2 }, timings: { eval: 3 } },
    ];
    assert.deepEqual(sumUsage(parts), {
      usage: { inputTokens: 7, outputTokens: 8, cachedTokens: 2 },
      timings: { eval: 3, load: 5 },
    });
  });
});

suite('serverTiming', () => {
  test('lists the known durations in milliseconds', () => {
    assert.equal(
      serverTiming({ load: 0.012, promptEval: 0.0405, eval: 0.8 }),
      'load;dur=12, prompt;dur=40.5, generate;dur=800',
    );
  });

  test('calls the rest of the total time queue, and never makes it negative', () => {
    assert.equal(serverTiming({ total: 2, eval: 1.5 }), 'queue;dur=500, generate;dur=1500');
    assert.equal(serverTiming({ total: 1, eval: 1.5 }), 'queue;dur=0, generate;dur=1500');
  });

  test('is empty when nothing is known', () => {
    assert.equal(serverTiming({}), '');
    assert.equal(serverTimingComment({}), '');
  });

  test('becomes an SSE comment', () => {
    assert.equal(serverTimingComment({ load: 0.5 }), ': server-timing: load;dur=500\n\n');
    const waited = withQueueTime({ total: 3, load: 0.5, eval: 1 }, 2_000);
    assert.equal(serverTiming(waited), 'queue;dur=3500, load;dur=500, generate;dur=1000');
    assert.equal(serverTiming(withQueueTime({}, 2_000)), 'queue;dur=2000');
  });
});
