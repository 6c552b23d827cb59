import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { assertServes, bench, exercise } from './bench.ts';
import { dialects } from './dialects.ts';
import { faults } from './faults.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, []));

const ways = dialects.flatMap((dialect) => [
  { dialect, portable: false, by: '' },
  { dialect, portable: true, by: ', by web streams' },
]);

suite('a fault of the upstream', { concurrency: true }, () => {
  for (const { dialect, portable, by } of ways) {
    for (const streamed of [true, false]) {
      const { path, kind, passed } = dialect;
      test(`${path} in front of ${kind}, ${streamed ? 'streamed' : 'whole'}${by}`, async (t) => {
        await using on = await bench(dialect, { portable });
        for (const fault of faults) {
          const { translated, passed: asItIs, passedOpenai } = fault;
          const gets = passed ? ((kind === 'openai' ? passedOpenai : undefined) ?? asItIs) : translated;
          await t.test(fault.name, async () => {
            assert.equal(await exercise(on, fault, streamed), gets[streamed ? 'streamed' : 'whole']);
            await assertServes(on, streamed);
          });
        }
      });
    }
  }
});
