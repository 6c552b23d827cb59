import type { Target } from './target.ts';

/** One thing that OpenAI's clients may expect of an endpoint, asked of each target in the same words. */
export interface Check {
  /** Of the point it belongs to; several checks may share one. */
  readonly number: number;
  readonly title: string;
  /** Set where OpenAI's API says nothing of it: users want it, and no server breaks a promise without it. */
  readonly beyond?: true;
  /** Models that the Ollama must have: scripted ones, whose every word is known beforehand. */
  readonly needs?: readonly string[];
  /** @throws {AssertionError} with a short message, when the target does not do it */
  run(target: Target): Promise<void>;
}
