import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { type Dialect, dialects } from './dialects.ts';
import { type Fault, describeOutcome, expectedOutcome, faults } from './faults.ts';
import { assertServes, exchangeWith, startHarness } from './harness.ts';
import { expectedResults, faultTable } from './table.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, [], 'unhandled rejections'));

/** Tests that every fault gives its client the expected outcome, and that the next request is served. */
function testFaults(dialect: Dialect, injected: readonly Fault[], portable: boolean): void {
  for (const streamed of [true, false]) {
    const { path, kind } = dialect;
    test(`${path} in front of ${kind}, ${streamed ? 'streamed' : 'not streamed'}`, async (t) => {
      await using harness = await startHarness(dialect, { portable });
      for (const fault of injected) {
        const expected = expectedOutcome(fault, dialect, streamed);
        await t.test(`${fault.name}: the client gets ${describeOutcome(expected)}`, async () => {
          assert.equal(await exchangeWith(fault, harness, streamed), expected);
          await assertServes(harness, streamed);
        });
      }
    });
  }
}

suite("an upstream that fails, responses written into Node's ServerResponse", { concurrency: true }, () => {
  for (const dialect of dialects) testFaults(dialect, faults, false);
});

test('README has the table of npm run faults', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const missing = faultTable(expectedResults())
    .split('\n')
    .filter((line) => !readme.includes(line));
  assert.deepEqual(missing, []);
});

/** The faults in which the outlet itself takes part: it ends the stream with an error, closes it, or is cancelled. */
const outletFaults = [
  'reset after the first line',
  'reset in the middle of a line',
  'stall after the first line',
  'endless response',
];

suite('an upstream that fails, responses as web streams', { concurrency: true }, () => {
  const injected = faults.filter(({ name }) => outletFaults.includes(name));

  test('every fault of this suite exists', () => {
    assert.equal(injected.length, outletFaults.length);
  });

  for (const dialect of dialects) testFaults(dialect, injected, true);
});
