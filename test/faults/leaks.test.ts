import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../helpers/wait.ts';
import { type Bench, bench, exercise } from './bench.ts';
import { dialects } from './dialects.ts';
import { type Fault, faults } from './faults.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Those that need no waiting. */
const quick = faults.filter(({ name, around }) => around === undefined && !name.startsWith('silence'));
const rounds = 3;
/** Bytes by which memory may differ: less than 4 KiB for each exchange. */
const slack = 8 * 1024 * 1024;

/** Bytes that are held once nothing runs. */
async function held(): Promise<number> {
  let least = Infinity;
  for (let look = 0; look < 5; look += 1) {
    collectGarbage();
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

async function round(benches: readonly Bench[], some: readonly Fault[]): Promise<void> {
  for (const on of benches) {
    for (const fault of some) for (const streamed of [true, false]) await exercise(on, fault, streamed);
    // Not part of what is looked at.
    on.upstream.wires.length = 0;
    on.gateway.log.length = 0;
  }
}

suite('after all faults', () => {
  test('memory, sockets and timers are back to what they were', async (t) => {
    await using stack = new AsyncDisposableStack();
    const benches: Bench[] = [];
    for (const dialect of dialects) benches.push(stack.use(await bench(dialect)));
    await round(benches, quick);
    const before = { bytes: await held(), sockets: sockets(), timers: timers() };
    for (let count = 0; count < rounds; count += 1) await round(benches, quick);
    const bytes = (await held()) - before.bytes;
    t.diagnostic(`${rounds * benches.length * quick.length * 2} exchanges, ${Math.round(bytes / 1024)} KiB more`);
    assert.ok(bytes < slack, `${bytes} bytes more are held`);
    // Each gateway keeps a few connections, for some seconds.
    await until('sockets to be closed', () => sockets() <= before.sockets + benches.length);
    await until('timers to be gone', () => timers() <= before.timers + benches.length);
  });
});
