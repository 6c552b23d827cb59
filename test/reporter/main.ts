import type { TestEvent } from 'node:test/reporters';
import { Report } from './report.ts';

/**
 * A reporter for `node --test` that ends in "N passed, N failed". When nothing is reported for twice the time limit of
 * a test, it ends the run and fails the files that still run: Node itself would wait for them forever.
 */
// oxlint-disable-next-line import/no-default-export -- Node looks for a reporter there.
export default async function* reporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string, void> {
  const report = new Report(process.cwd());
  const limit = 2 * testTimeout();
  let reason = 'the run was interrupted';
  const watchdog = setTimeout(() => {
    reason = `nothing was reported for ${limit / 1000} s`;
    // Node reports the interruption and ends the processes of the files.
    process.kill(process.pid, 'SIGTERM');
  }, limit).unref();
  let interrupted = false;
  for await (const event of events) {
    watchdog.refresh();
    if (interrupted) continue;
    interrupted = event.type === 'test:interrupted';
    if (interrupted) process.exitCode = 1;
    yield interrupted ? report.end(`The file did not end: ${reason}.`) : report.add(event);
  }
  clearTimeout(watchdog);
  if (!interrupted) yield report.end();
  if (!report.passed) process.exitCode = 1;
}

/** Milliseconds of `--test-timeout`; without it, the longest that a timer can wait. */
function testTimeout(): number {
  const flag = process.execArgv.find((arg) => arg.startsWith('--test-timeout='));
  return flag === undefined ? 2 ** 30 - 1 : Number(flag.split('=')[1]);
}
