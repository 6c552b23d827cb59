import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { resolve } from 'node:path';
import { after, test } from 'node:test';
import { startDemo } from '../../src/demo/server.ts';
import { until } from '../helpers/wait.ts';

const demo = await startDemo();
after(() => demo.close());

const question = [{ role: 'user', content: 'What is  a\nllama?' }];

function post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(demo.url + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
}

async function linesOf(response: Response): Promise<Record<string, unknown>[]> {
  const text = await response.text();
  assert.ok(text.endsWith('\n'));
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function get(path: string): Promise<unknown> {
  return await (await fetch(demo.url + path)).json();
}

/** A body recorded from a real Ollama server. */
function recorded(name: string): Record<string, unknown>[] {
  const text = readFileSync(resolve(import.meta.dirname, '../fixtures/ollama-0.17.4', name), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The names of all fields in order, with the types of their values. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape);
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([key, inner]) => [key, shape(inner)]);
}

test('repeats the question of a coding agent without its reminders', async () => {
  const reminder = '<system-reminder>\nAttribution\n</system-reminder>';
  const messages = [
    { role: 'user', content: `${reminder}\nsay hi` },
    { role: 'user', content: reminder },
  ];
  const response = await post('/api/chat', { model: 'demo', messages, stream: false });
  const { message } = (await response.json()) as { message: { content: string } };
  assert.match(message.content, /^You wrote: “say hi”/);
});

test('the demo streams a chat in the shape of Ollama, one word a line', async () => {
  const response = await post('/api/chat', { model: 'demo', messages: question });
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
  assert.equal(response.headers.get('transfer-encoding'), 'chunked');
  const lines = await linesOf(response);
  const real = recorded('chat-plain-stream/body.ndjson');
  assert.deepEqual(shape(lines[0]), shape(real[0]));
  assert.deepEqual(shape(lines.at(-1)), shape(real.at(-1)));
  const text = lines.map(({ message }) => (message as { content: string }).content).join('');
  assert.match(text, /^You wrote: “What is a llama\?” I am llamaduct's demo model, not a language model/);
  const words = text.split(' ').length;
  assert.ok(words >= 20 && words <= 40, `${words} words`);
  assert.equal(lines.length, words + 1);
  assert.deepEqual([lines.at(-1)?.['done_reason'], lines.at(-1)?.['eval_count']], ['stop', words]);
});

test('the demo streams /api/generate, and answers chat and generate without streaming', async () => {
  const streamed = await linesOf(
    await post('/api/generate', { model: 'demo:latest', prompt: 'hi', options: { num_predict: 3 } }),
  );
  assert.deepEqual(shape(streamed[0]), shape(recorded('generate-plain-stream/body.ndjson')[0]));

  const complete = await post('/api/generate', {
    model: 'demo:latest',
    prompt: 'hi',
    stream: false,
    options: { num_predict: 3 },
  });
  assert.equal(complete.headers.get('content-type'), 'application/json; charset=utf-8');
  const { response, done_reason: reason } = (await complete.json()) as { response: string; done_reason: string };
  assert.deepEqual([response, reason], [streamed.map((line) => line['response']).join(''), 'length']);

  const chat = await post('/api/chat', {
    model: 'demo',
    messages: question,
    stream: false,
    options: { num_predict: 2 },
  });
  assert.deepEqual(shape(await chat.json()), shape(recorded('chat-plain/body.json')[0]));
});

test('the demo quotes at most 80 characters of the last user message and splits no emoji', async () => {
  const messages = [
    { role: 'user', content: '🦙'.repeat(200) },
    { role: 'tool', content: 'x' },
  ];
  const response = await post('/api/chat', { model: 'demo', messages, stream: false });
  const { message } = (await response.json()) as { message: { content: string } };
  assert.ok(message.content.includes(`“${'🦙'.repeat(80)}…”`));
});

test('the demo answers any model name, so that the snippets of the README work', async () => {
  const answer = (await (await post('/api/chat', { model: 'llama3.2', messages: question, stream: false })).json()) as {
    readonly model: string;
    readonly done: boolean;
  };
  assert.deepEqual([answer.model, answer.done], ['llama3.2', true]);
  assert.equal((await post('/api/show', { model: 'llama3.2' })).status, 200);
});

test('the demo answers a request without a question like a request that loads the model', async () => {
  const chat = await (await post('/api/chat', { model: 'demo', messages: [] })).json();
  assert.deepEqual(shape(chat), shape(recorded('chat-load-empty-messages/body.json')[0]));
  const generate = await (await post('/api/generate', { model: 'demo', prompt: '' })).json();
  assert.deepEqual(shape(generate), shape(recorded('generate-load-stream/body.json')[0]));
});

test('the demo lists and shows its model in the shape of Ollama', async () => {
  assert.deepEqual(shape(await get('/api/version')), shape(recorded('version/body.json')[0]));
  assert.deepEqual(shape(await get('/api/tags')), shape(recorded('tags/body.json')[0]));
  assert.deepEqual(shape(await get('/api/ps')), shape(recorded('ps-loaded/body.json')[0]));
  const shown = (await (await post('/api/show', { model: 'demo' })).json()) as Record<string, unknown>;
  const [real] = recorded('show-plain/body.json');
  for (const [key, value] of Object.entries(shown)) assert.equal(typeof value, typeof real?.[key], key);
  assert.deepEqual(shown['capabilities'], ['completion']);
});

test('the demo answers GET and HEAD / with "Ollama is running"', async () => {
  assert.equal(await (await fetch(demo.url)).text(), 'Ollama is running');
  const head = await fetch(demo.url, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '17']);
});

test('the demo rejects unknown models, paths and methods as Ollama does', async () => {
  const cases: readonly [response: Response, status: number, body: string][] = [
    [await post('/api/chat', { model: 5, messages: question }), 404, `{"error":"model '5' not found"}`],
    [await post('/api/generate', { prompt: 'x' }), 404, `{"error":"model '' not found"}`],
    [await post('/api/show', { model: 5 }), 404, `{"error":"model '5' not found"}`],
    [await post('/api/chat', { messages: question }), 400, '{"error":"model is required"}'],
    [await post('/api/show', {}), 400, '{"error":"model is required"}'],
    [await fetch(`${demo.url}/api/nothing?x`), 404, '404 page not found'],
    [await fetch(`${demo.url}/api/chat`), 405, '405 method not allowed'],
  ];
  for (const [response, status, body] of cases)
    assert.deepEqual([response.status, await response.text()], [status, body]);
  const malformed = await post('/api/chat', '{"model":');
  assert.equal(malformed.status, 400);
  assert.match(await malformed.text(), /^\{"error":".+"\}$/);
});

test('the demo answers malformed paths with 404', async () => {
  for (const path of ['//', '/%', '/constructor']) {
    const status = await new Promise<number | undefined>((done, fail) => {
      request(demo.url, { path }, (response) => done(response.resume().statusCode))
        .on('error', fail)
        .end();
    });
    assert.equal(status, 404, path);
  }
});

function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
}

test('the demo stops generating when the client disconnects', async () => {
  const before = timers();
  const controller = new AbortController();
  const response = await post('/api/chat', { model: 'demo', messages: question }, { signal: controller.signal });
  await response.body?.getReader().read();
  await until('the wait between two words', () => timers() > before);
  controller.abort();
  await until('no more waiting', () => timers() === before, 200);
});

test('the demo closes open connections at once on close()', async () => {
  const own = await startDemo();
  const response = await fetch(`${own.url}/api/chat`, {
    method: 'POST',
    body: JSON.stringify({ model: 'demo', messages: question }),
  });
  const begun = performance.now();
  await own.close();
  assert.ok(performance.now() - begun < 500);
  await assert.rejects(response.text());
  await assert.rejects(fetch(own.url));
});
