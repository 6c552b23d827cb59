import { equal, fail } from 'node:assert/strict';
import { post, request } from './api-client.ts';
import type { Target } from './target.ts';

/** The body of `/api/create` for a model derived from another one. */
interface Derived {
  readonly from: string;
  readonly template?: string;
  /** Name of a parser built into Ollama, used instead of the tags in the template. */
  readonly parser?: string;
  /** Name of a renderer built into Ollama, used instead of a template. */
  readonly renderer?: string;
  readonly parameters?: object;
}

/** Creates a model, calls `use` with its name, and deletes the model. */
export async function withModel(
  target: Target,
  name: string,
  derived: Derived,
  use: (model: string) => Promise<void>,
): Promise<void> {
  const server = { ...target, url: target.ollama };
  const model = `llamaduct-compare-${name}`;
  const created = await post(server, '/api/create', { model, stream: false, ...derived });
  equal(created.status, 200, `the model could not be created: ${created.problem}`);
  await useAndDelete(target, model, use);
}

/** Copies a model to another name, calls `use` with that name, and deletes the copy. */
export async function withCopy(
  target: Target,
  from: string,
  name: string,
  use: (model: string) => Promise<void>,
): Promise<void> {
  const copied = await post({ ...target, url: target.ollama }, '/api/copy', { source: from, destination: name });
  equal(copied.status, 200, `the model could not be copied: ${copied.problem}`);
  await useAndDelete(target, name, use);
}

async function useAndDelete(target: Target, model: string, use: (model: string) => Promise<void>): Promise<void> {
  try {
    await use(model);
  } finally {
    // Even when the check has timed out, so not with the target's signal.
    const server = { url: target.ollama, key: target.key, signal: AbortSignal.timeout(5_000) };
    await request(server, 'DELETE', '/api/delete', { model });
  }
}

/** @returns the context length, in tokens, of a loaded model @throws {AssertionError} when it is not loaded */
export async function contextOf(target: Target, model: string): Promise<number> {
  const { json } = await request({ ...target, url: target.ollama }, 'GET', '/api/ps');
  const { models } = json as { models: readonly { name: string; context_length: number }[] };
  return models.find(({ name }) => name === `${model}:latest`)?.context_length ?? fail(`${model} is not loaded`);
}
