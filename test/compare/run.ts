import { AssertionError } from 'node:assert/strict';
import type { Check } from './check.ts';
import type { Open } from './target.ts';

/** How one check ended for one target. */
export type Outcome =
  | { readonly result: 'passed' }
  | { readonly result: 'failed' | 'not run'; readonly reason: string };

/** Milliseconds for one check of one target. */
const deadline = 10_000;
/** A machine that is busy with something else gets a second chance. */
const tries = 2;

/**
 * Runs a check against one target.
 *
 * @param models those that the Ollama has; a check that needs another is not run
 * @param milliseconds that it has, and then once more
 */
export async function attempt(
  check: Check,
  open: Open,
  ollama: string,
  models: ReadonlySet<string>,
  milliseconds = deadline,
): Promise<Outcome> {
  const missing = check.needs?.filter((name) => !models.has(`${name}:latest`)) ?? [];
  if (missing.length > 0) return { result: 'not run', reason: `this Ollama has no ${missing.join(', ')}` };
  for (let left = tries; left > 0; left -= 1) {
    const signal = AbortSignal.timeout(milliseconds);
    try {
      await using target = await open(ollama, signal);
      await Promise.race([check.run(target), rejectedBy(signal)]);
      return { result: 'passed' };
    } catch (error) {
      if (!signal.aborted) return { result: 'failed', reason: reasonOf(error) };
    }
  }
  return { result: 'failed', reason: `no end within ${milliseconds} ms` };
}

async function rejectedBy(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

/** One short line. What is not an AssertionError is an answer of a shape that the check did not think of. */
function reasonOf(error: unknown): string {
  // Below the message of its own an assertion shows both values.
  const [message = ''] = (error as Error).message.split('\n', 1);
  const text = error instanceof AssertionError ? message : `an answer that cannot be read: ${message}`;
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}
