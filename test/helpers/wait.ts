import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves as soon as `condition` holds; fails after `deadline` milliseconds, saying what it waited for. */
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
