import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Resolves as soon as `condition` is true.
 *
 * @param what named in the error
 * @param deadline milliseconds
 * @throws when `condition` is still false after the deadline
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadline = 5_000,
): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${deadline} ms for ${what}`);
    await sleep(2);
  }
}
