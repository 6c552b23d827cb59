import type { Target } from './target.ts';

/** A test of one thing that OpenAI's clients expect of an endpoint. Every target gets the same requests. */
export interface Check {
  /** Number of the topic; several checks may share one. */
  readonly number: number;
  readonly title: string;
  /** True when it is not part of OpenAI's API: users want it, but a server without it conforms to the API. */
  readonly beyond?: true;
  /** Scripted models that the Ollama must have; their output is known word for word. */
  readonly needs?: readonly string[];
  /** @throws {AssertionError} with a short message when the target fails */
  run(target: Target): Promise<void>;
}
