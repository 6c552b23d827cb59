import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dialects } from './dialects.ts';
import { describeOutcome, expectedOutcome, faults } from './faults.ts';
import { assertServes, idle, loggedErrorCode, outcomeOf, send, startHarness } from './harness.ts';
import { answerCompletely } from './upstream.ts';

/** Milliseconds until a stream sends its first heartbeat, and until the upstream answers or fails. */
const [heartbeatAfter, failAfter] = [40, 120];
const settings = { timeouts: { silence: `${heartbeatAfter}ms`, first_byte: '10s', idle: '10s', grace: '100ms' } };

const names = [
  'reset before the headers',
  'reset after the first line',
  'status 400',
  'status 503',
  'body that is not JSON',
];
const injected = faults.filter(({ name }) => names.includes(name));

suite('an upstream that fails after the first heartbeat', { concurrency: true }, () => {
  test('every fault of this suite exists', () => {
    assert.equal(injected.length, names.length);
  });

  for (const dialect of dialects) {
    const { path, kind, passedThrough } = dialect;
    // NDJSON has no comments, so Ollama's API has no heartbeats.
    const hasHeartbeats = path.startsWith('/v1');
    for (const fault of injected) {
      const outcome = expectedOutcome(fault, dialect, true);
      const expected = (hasHeartbeats ? outcome.replace(/^\d+/, 'event') : outcome) as typeof outcome;
      test(`${path} in front of ${kind}, ${fault.name}: the client gets ${describeOutcome(expected)}`, async () => {
        await using harness = await startHarness(dialect, settings);
        harness.upstream.inject = async (request) => {
          await sleep(failAfter);
          await fault.inject(request);
        };
        const received = await send(harness, true);
        const code = await loggedErrorCode(harness.gateway);
        const text = received.bytes.toString('utf8');
        if (hasHeartbeats) assert.match(text, /^(?:: |data: .*"comment":")waiting for the model/);
        // The upstream's own bytes follow the heartbeats.
        if (hasHeartbeats && passedThrough && outcome === 'unchanged') assert.match(text, /A proxy speaks/);
        else assert.equal(outcomeOf(harness, received, true, code, harness.upstream.requests[0]), expected);
        await idle(harness.gateway);
        await assertServes(harness, true);
      });
    }

    test(`${path} in front of ${kind}, no fault: the client gets the complete response`, async () => {
      await using harness = await startHarness(dialect, settings);
      harness.upstream.inject = async (request) => {
        await sleep(failAfter);
        await answerCompletely(request);
      };
      const received = await send(harness, true);
      const code = await loggedErrorCode(harness.gateway);
      assert.equal(outcomeOf(harness, received, true, code, harness.upstream.requests[0]), 'complete');
      await idle(harness.gateway);
    });
  }
});
