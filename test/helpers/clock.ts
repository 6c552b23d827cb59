import type { TestContext } from 'node:test';

/**
 * Lets `performance.now()` run ahead by this number of milliseconds for the rest of a test. Timers are not affected, so
 * it makes cached values expire without a wait.
 */
export function skipTime(context: TestContext, milliseconds: number): void {
  const now = performance.now.bind(performance);
  context.mock.method(performance, 'now', () => now() + milliseconds);
}
