import { equal, fail } from 'node:assert/strict';
import { post, request } from './ask.ts';
import type { Target } from './target.ts';

/** A model as Ollama makes it from another. */
interface Derived {
  readonly from: string;
  readonly template?: string;
  /** Built into Ollama, in place of what a template tells of the tags in an answer. */
  readonly parser?: string;
  /** Built into Ollama, in place of a template. */
  readonly renderer?: string;
  readonly parameters?: object;
}

/** Runs `use` with a model that exists only meanwhile. */
export async function withModel(
  target: Target,
  name: string,
  derived: Derived,
  use: (model: string) => Promise<void>,
): Promise<void> {
  const server = { ...target, url: target.ollama };
  const model = `llamaduct-compare-${name}`;
  const created = await post(server, '/api/create', { model, stream: false, ...derived });
  equal(created.status, 200, `could not make the model: ${created.problem}`);
  await usedAndDeleted(target, model, use);
}

/** Runs `use` with another name for a model, which exists only meanwhile. */
export async function withCopy(
  target: Target,
  from: string,
  name: string,
  use: (model: string) => Promise<void>,
): Promise<void> {
  const copied = await post({ ...target, url: target.ollama }, '/api/copy', { source: from, destination: name });
  equal(copied.status, 200, `could not copy the model: ${copied.problem}`);
  await usedAndDeleted(target, name, use);
}

async function usedAndDeleted(target: Target, model: string, use: (model: string) => Promise<void>): Promise<void> {
  try {
    await use(model);
  } finally {
    // Also when the check has run out of its time.
    const server = { url: target.ollama, key: target.key, signal: AbortSignal.timeout(5_000) };
    await request(server, 'DELETE', '/api/delete', { model });
  }
}

/** The context, in tokens, of a loaded model. */
export async function contextOf(target: Target, model: string): Promise<number> {
  const { json } = await request({ ...target, url: target.ollama }, 'GET', '/api/ps');
  const { models } = json as { models: readonly { name: string; context_length: number }[] };
  return models.find(({ name }) => name === `${model}:latest`)?.context_length ?? fail(`${model} is not loaded`);
}
