import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../helpers/wait.ts';
import { dialects } from './dialects.ts';
import { type Fault, faults } from './faults.ts';
import { type Harness, exchangeWith, startHarness } from './harness.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The faults that need no timeout. */
const quickFaults = faults.filter(({ name, around }) => around === undefined && !name.startsWith('stall'));
const rounds = 3;
/** Bytes by which memory may grow: less than 4 KiB for each exchange. */
const maxGrowth = 8 * 1024 * 1024;

/** @returns the least number of bytes in use over several garbage collections */
async function bytesInUse(): Promise<number> {
  let least = Infinity;
  for (let count = 0; count < 5; count += 1) {
    collectGarbage();
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const resources = (kind: string): number => process.getActiveResourcesInfo().filter((name) => name === kind).length;
const timers = (): number => resources('Timeout');
const sockets = (): number => resources('TCPSocketWrap');

async function runRound(harnesses: readonly Harness[], injected: readonly Fault[]): Promise<void> {
  for (const harness of harnesses) {
    for (const fault of injected) for (const streamed of [true, false]) await exchangeWith(fault, harness, streamed);
    // These belong to the test itself.
    harness.upstream.requests.length = 0;
    harness.gateway.log.length = 0;
  }
}

suite('repeated faults in every dialect', () => {
  test('leak no memory, sockets or timers', async (t) => {
    await using stack = new AsyncDisposableStack();
    const harnesses: Harness[] = [];
    for (const dialect of dialects) harnesses.push(stack.use(await startHarness(dialect)));
    await runRound(harnesses, quickFaults);
    const before = { bytes: await bytesInUse(), sockets: sockets(), timers: timers() };
    for (let count = 0; count < rounds; count += 1) await runRound(harnesses, quickFaults);
    const growth = (await bytesInUse()) - before.bytes;
    const exchanges = rounds * harnesses.length * quickFaults.length * 2;
    t.diagnostic(`memory grew by ${Math.round(growth / 1024)} KiB over ${exchanges} exchanges`);
    assert.ok(growth < maxGrowth, `memory grew by ${growth} bytes`);
    // Each gateway keeps a few idle connections for some seconds.
    await until('sockets to be closed', () => sockets() <= before.sockets + harnesses.length);
    await until('timers to be cleared', () => timers() <= before.timers + harnesses.length);
  });
});
