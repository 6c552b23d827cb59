import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestGateway } from '../helpers/gateway.ts';
import { until } from '../helpers/wait.ts';
import { liveGateway, native, sdk, user } from './live.ts';

/** Generates ten times its context, which takes minutes. A context of its own gives it a runner of its own in /api/ps. */
const model = 'scripted-long';
const options = { num_ctx: 8192 };
const request = { model, messages: [user('hi')], options, keep_alive: '1h' };
const minute = 60_000;
/** Milliseconds. A loaded machine takes its time to load a model. */
const deadline = 30_000;

/**
 * @returns when Ollama unloads the model. The time changes when a request ends, and not while one runs: nothing else in
 *   Ollama's API shows that a generation runs
 */
async function expiry(): Promise<number> {
  const { models } = await native<{ models: { name: string; expires_at: string }[] }>('/api/ps');
  return Date.parse(models.find(({ name }) => name === `${model}:latest`)?.expires_at ?? '');
}

/** Waits until no request runs, and the last one has set the model's time to live to `minutes`. */
async function idle(minutes: number): Promise<void> {
  const left = async (): Promise<number> => (await expiry()) - Date.now();
  await until(`Ollama to be idle`, async () => Math.abs((await left()) - minutes * minute) < minute, deadline);
}

async function idleModel(): Promise<void> {
  await native('/api/generate', { model, prompt: 'hi', options: { ...options, num_predict: 1 }, keep_alive: '10m' });
  await idle(10);
}

/** Waits until an answer is being generated. */
async function busy(gateway: TestGateway): Promise<void> {
  const gaps = `llamaduct_inter_chunk_seconds_count{model="${model}:latest",upstream="ollama"}`;
  await until('tokens of an answer', async () => (await gateway.metric(gaps)) > 0, deadline);
  await idle(10);
}

test('a client that leaves a stream ends the generation', async () => {
  await using gateway = await liveGateway();
  await idleModel();
  const stream = await sdk(gateway).chat.completions.create({ ...request, stream: true });
  for await (const _ of stream) {
    await busy(gateway);
    break;
  }
  await idle(60);
  assert.equal(await gateway.metric('llamaduct_disconnects_total{phase="streaming"}'), 1);
});

test('a client that leaves a request that is not streamed ends the generation', async () => {
  await using gateway = await liveGateway();
  await idleModel();
  const leaving = new AbortController();
  const answer = gateway.chat(request, { signal: leaving.signal });
  await busy(gateway);
  leaving.abort();
  await assert.rejects(answer, { name: 'AbortError' });
  await idle(60);
});

test('a client that leaves a native stream ends the generation', async () => {
  await using gateway = await liveGateway();
  await idleModel();
  const leaving = new AbortController();
  const body = JSON.stringify(request);
  const response = await gateway.fetch('/api/chat', { method: 'POST', body, signal: leaving.signal });
  await busy(gateway);
  leaving.abort();
  await idle(60);
  await assert.rejects(response.text(), { name: 'AbortError' });
});
