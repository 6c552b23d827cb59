import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { suite, test } from 'node:test';
import { pino } from 'pino';
import { SlowQueueLog } from '../src/service-log/slow-queue.ts';
import { logFormat } from '../src/telemetry/log-format.ts';
import { type TestGateway, testGateway } from './helpers/gateway.ts';
import { heldUpstream } from './helpers/held-upstream.ts';
import { until } from './helpers/wait.ts';
import { keyOf, posted, tester } from './limits/limited.ts';

function messages(log: readonly Record<string, unknown>[]): string[] {
  return log.map(({ level, msg }) => `${String(level)} ${String(msg)}`).filter((text) => text.includes(' queue of '));
}

suite('the log of a slow queue', () => {
  test('has a line when it begins, one a minute, and one when it ends', (t) => {
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const log: Record<string, unknown>[] = [];
    const sink = new Writable({
      write(line: Buffer, _encoding, done) {
        log.push(JSON.parse(line.toString()) as Record<string, unknown>);
        done();
      },
    });
    const slow = new SlowQueueLog(pino(logFormat, sink), 'gpu1', () => 10_000);
    for (const seconds of [5, 10, 15, 20, 65, 70, 75]) {
      now = seconds * 1000;
      slow.observe({ size: 3, longestWait: now });
    }
    now = 80_000;
    slow.observe({ size: 0, longestWait: 0 });
    slow.observe({ size: 0, longestWait: 0 });
    now = 95_000;
    slow.observe({ size: 1, longestWait: 12_000 });
    assert.deepEqual(messages(log), [
      'warn queue of gpu1 is slow: 3 waiting, the first for 10 s',
      'warn queue of gpu1 is slow: 3 waiting, the first for 70 s',
      'info queue of gpu1 is no longer slow',
      'warn queue of gpu1 is slow: 1 waiting, the first for 12 s',
    ]);
    assert.equal(log[2]?.['slow_s'], 80);
  });

  for (const [what, queue, key, expected] of [
    ['names the server', { slow: '10ms' }, 'alice', 1],
    ['has no lines for batch requests', { slow: '10ms' }, 'nightly', 0],
    ['has no lines when it is off', { slow: '0s' }, 'alice', 0],
  ] as const) {
    test(what, async () => {
      await using upstream = await heldUpstream();
      const keys = [tester, keyOf('alice'), keyOf('nightly', { group: 'nightly' })];
      const groups = { nightly: { priority: 'batch' } };
      await using gateway: TestGateway = await testGateway(upstream, {
        queue,
        keys,
        groups,
        upstream: { parallel: 1 },
      });
      const body = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] };
      const answers = [1, 2].map(() => gateway.fetch('/v1/chat/completions', posted(body, key)));
      await until('the running request', () => upstream.held === 1);
      // The models in memory are read as often as the queue is looked at.
      const reads = (): number => upstream.requests.filter(({ url }) => url === '/api/ps').length;
      const before = reads();
      await until('a look at the queue', () => reads() > before + 1, 15_000);
      assert.equal(messages(gateway.log).length, expected);
      upstream.flow();
      for (const answer of answers) assert.equal((await answer).status, 200);
    });
  }
});
