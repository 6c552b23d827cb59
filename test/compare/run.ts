import { AssertionError } from 'node:assert/strict';
import type { Check } from './check.ts';
import type { Open } from './target.ts';

/** The result of one check for one target. */
export type Outcome =
  | { readonly result: 'passed' }
  | { readonly result: 'failed' | 'not run'; readonly reason: string };

/** Milliseconds for one check of one target. */
const deadline = 10_000;
/** A check that times out runs again: the machine may have been busy. */
const tries = 2;

/**
 * Runs a check against one target.
 *
 * @param models the models that the Ollama has; a check that needs another is not run
 * @param milliseconds timeout of each try
 */
export async function attempt(
  check: Check,
  open: Open,
  ollama: string,
  models: ReadonlySet<string>,
  milliseconds = deadline,
): Promise<Outcome> {
  const missing = check.needs?.filter((name) => !models.has(`${name}:latest`)) ?? [];
  if (missing.length > 0) return { result: 'not run', reason: `this Ollama does not have ${missing.join(', ')}` };
  for (let count = 0; count < tries; count += 1) {
    const signal = AbortSignal.timeout(milliseconds);
    try {
      await using target = await open(ollama, signal);
      await Promise.race([check.run(target), rejectedBy(signal)]);
      return { result: 'passed' };
    } catch (error) {
      if (!signal.aborted) return { result: 'failed', reason: reasonOf(error) };
    }
  }
  return { result: 'failed', reason: `timed out after ${milliseconds} ms` };
}

async function rejectedBy(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });
}

/** @returns one short line. Errors other than AssertionErrors come from responses of an unexpected shape. */
function reasonOf(error: unknown): string {
  // After its first line an assertion's message shows both values.
  const [message = ''] = (error as Error).message.split('\n', 1);
  const text = error instanceof AssertionError ? message : `unexpected response: ${message}`;
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}
