import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { hashSecret } from '../../src/config/secret.ts';
import { run } from '../cli/run.ts';
import { type TestGateway, secret, testGateway, ending } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { chunk, saying, stream } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { temporaryFolder } from '../usage/rows.ts';

const folder = temporaryFolder();
let files = 0;

interface Row {
  readonly key: string;
  readonly group: string | null;
  readonly model: string;
  readonly route: string;
  readonly upstream: string | null;
  readonly outcome: string;
  readonly status: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

function newFile(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

/** The rows of a usage file, oldest first. */
function rowsOf(file: string): (Row & { readonly id: string })[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const columns = 'id, "key", "group", model, route, upstream, outcome, status, input_tokens, output_tokens';
    const rows = database.prepare(`SELECT ${columns} FROM requests ORDER BY rowid`).all();
    return rows.map((row) => ({ ...row }) as unknown as Row & { id: string });
  } finally {
    database.close();
  }
}

/** Waits for the next row after `before` rows, and returns it. */
async function nextRow(file: string, before: number): Promise<Row> {
  await until('a row', () => rowsOf(file).length > before);
  const rows = rowsOf(file);
  assert.equal(rows.length, before + 1);
  const { id, ...row } = rows.at(-1) ?? assert.fail();
  assert.match(id, /^[a-z]+[-_]\w+$/);
  return row;
}

const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  { name: 'alice', hash: hashSecret('secret-of-alice'), group: 'lab' },
  { name: 'bob', hash: hashSecret('secret-of-bob'), limits: { requests_per_minute: 1 } },
];
const groups = { lab: {} };

function as(name: string, init: RequestInit = {}): RequestInit {
  return { ...init, headers: { authorization: `Bearer ${name === 'tester' ? secret : `secret-of-${name}`}` } };
}

const models = ['scripted-plain:latest', 'broken', 'cut', 'held', 'embedder'];

/** Answers each endpoint of Ollama, and fails in the way that the model of the request names. */
const ollamaAnswer: Answer = async (res, request) => {
  const { model } = JSON.parse(request.body || '{}') as { model?: string };
  if (request.url === '/api/embed') {
    return sendJson(res, 200, {
      model,
      embeddings: [[0.5, 1]],
      prompt_eval_count: 7,
      total_duration: 2,
      load_duration: 1,
    });
  }
  if (request.url === '/api/embeddings') {
    // Ollama reports no counts at this endpoint.
    res.writeHead(200, { 'content-type': 'application/json' }).write('{"embedding":[0.5,');
    await nextTurn();
    return void res.end('1]}');
  }
  if (request.url === '/api/generate') {
    ndjson(res).write('{"model":"scripted-plain","response":"Hi","done":false}\n');
    const done = { response: '', done: true, total_duration: 5, prompt_eval_count: 12, eval_count: 3 };
    return void res.end(`${JSON.stringify({ model, ...done })}\n`);
  }
  if (request.url !== '/api/chat') return sendJson(res, 200, {});
  if (model === 'broken') return sendJson(res, 500, { error: 'out of memory' });
  if (model === 'held' || model === 'cut') {
    ndjson(res).write(chatLine('Hello'));
    if (model === 'cut') setImmediate(() => res.destroy());
    return undefined;
  }
  return await plainAnswer()(res, request);
};

const messages = [{ role: 'user', content: 'hi' }];
const ok = { outcome: 'ok', status: 200, input_tokens: 46, output_tokens: 44 };

interface Case {
  readonly what: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
  readonly row: Partial<Row>;
}

const cases: readonly Case[] = [
  { what: 'a whole answer', path: '/v1/chat/completions', body: { messages }, row: ok },
  { what: 'a stream', path: '/v1/chat/completions', body: { messages, stream: true }, row: ok },
  {
    what: 'an answer with two choices',
    path: '/v1/chat/completions',
    body: { messages, n: 2 },
    row: { ...ok, input_tokens: 92, output_tokens: 88 },
  },
  { what: 'a whole response', path: '/v1/responses', body: { input: 'hi' }, row: ok },
  { what: 'a streamed response', path: '/v1/responses', body: { input: 'hi', stream: true }, row: ok },
  { what: 'a whole message', path: '/v1/messages', body: { messages, max_tokens: 50 }, row: ok },
  { what: 'a streamed message', path: '/v1/messages', body: { messages, max_tokens: 50, stream: true }, row: ok },
  { what: 'a native chat', path: '/api/chat', body: { messages }, row: ok },
  {
    what: 'a native generation',
    path: '/api/generate',
    body: { prompt: 'hi' },
    row: { ...ok, input_tokens: 12, output_tokens: 3 },
  },
  {
    what: 'embeddings',
    path: '/v1/embeddings',
    body: { input: 'hi' },
    row: { ...ok, input_tokens: 7, output_tokens: 0 },
  },
  {
    what: 'native embeddings',
    path: '/api/embed',
    body: { input: 'hi' },
    row: { ...ok, input_tokens: 7, output_tokens: 0 },
  },
  {
    what: 'native embeddings without counts',
    path: '/api/embeddings',
    body: { prompt: 'twelve chars' },
    row: { ...ok, input_tokens: 7, output_tokens: 0 },
  },
  {
    what: 'an upstream error',
    path: '/v1/chat/completions',
    body: { messages, model: 'broken' },
    row: { model: 'broken', outcome: 'upstream_error', status: 502, input_tokens: 0, output_tokens: 0 },
  },
  {
    what: 'an upstream error that is passed through',
    path: '/api/chat',
    body: { messages, model: 'broken' },
    row: { model: 'broken', outcome: 'upstream_error', status: 500, input_tokens: 0, output_tokens: 0 },
  },
  {
    what: 'a stream that breaks off',
    path: '/v1/chat/completions',
    body: { messages, model: 'cut', stream: true },
    row: { model: 'cut', outcome: 'upstream_error', status: 200, input_tokens: 1, output_tokens: 1 },
  },
  {
    what: 'an invalid request',
    path: '/v1/chat/completions',
    body: { messages: 'hi' },
    row: { model: 'none', upstream: null, outcome: 'client_error', status: 400, input_tokens: 0, output_tokens: 0 },
  },
  {
    what: 'an unknown model',
    path: '/v1/chat/completions',
    body: { messages, model: 'made-up-7' },
    row: { ...ok, model: 'other' },
  },
];

suite('the usage of a request', () => {
  for (const { what, path, body, row } of cases) {
    test(`is one row: ${what}, ${path}`, async () => {
      const file = newFile();
      await using upstream = await fakeUpstream(ollamaAnswer, models);
      await using gateway = await testGateway(upstream, { keys, groups, usage: { file } });
      const init = as('alice', { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', ...body }) });
      const response = await gateway.fetch(path, init);
      const text = await response.text().catch(() => 'broken off');
      const common = { key: 'alice', group: 'lab', model: 'scripted-plain:latest', route: path, upstream: 'ollama' };
      const found = await nextRow(file, 0);
      assert.deepEqual(found, { ...found, ...common, ...row }, text);
      assert.equal(response.status, found.status);
    });
  }

  for (const path of ['/v1/chat/completions', '/api/chat', '/v1/messages']) {
    test(`is one row with the tokens so far when the client disconnects: ${path}`, async () => {
      const file = newFile();
      await using upstream = await fakeUpstream(ollamaAnswer, models);
      await using gateway = await testGateway(upstream, { keys, groups, usage: { file } });
      const controller = new AbortController();
      const body = JSON.stringify({ model: 'held', messages, stream: true, max_tokens: 9 });
      const response = await gateway.fetch(path, { method: 'POST', body, signal: controller.signal });
      await response.body?.getReader().read();
      controller.abort();
      const row = await nextRow(file, 0);
      assert.deepEqual([row.outcome, row.model, row.key, row.group], ['client_closed', 'held', 'tester', null]);
      assert.deepEqual([row.output_tokens, row.input_tokens > 0 && row.input_tokens < 20], [1, true]);
    });
  }

  test('is one row without tokens when a limit refuses it', async () => {
    const file = newFile();
    await using upstream = await fakeUpstream(ollamaAnswer, models);
    await using gateway = await testGateway(upstream, { keys, groups, usage: { file } });
    for (const [at, expected] of [
      [200, { ...ok }],
      [429, { outcome: 'client_error', status: 429 }],
    ].entries()) {
      const [status, row] = expected as [number, Partial<Row>];
      const response = await gateway.chat({}, as('bob'));
      await response.text();
      assert.equal(response.status, status);
      const found = await nextRow(file, at);
      assert.deepEqual(found, { ...found, ...row });
      if (status === 429) assert.deepEqual([found.input_tokens, found.output_tokens], [0, 0]);
    }
  });

  test('is no row when no model runs', async () => {
    const file = newFile();
    await using upstream = await fakeUpstream(ollamaAnswer, models);
    await using gateway = await testGateway(upstream, { keys, groups, usage: { file } });
    for (const path of ['/v1/models', '/api/tags', '/api/ps', '/metrics', '/v1/usage', '/healthz', '/nothing']) {
      await (await gateway.fetch(path)).text();
    }
    const unknown = { headers: { authorization: 'Bearer of-nobody' } };
    assert.equal((await gateway.chat({}, unknown)).status, 401);
    assert.equal((await gateway.fetch('/v1/chat/completions')).status, 405);
    await (await gateway.chat()).text();
    assert.equal((await nextRow(file, 0)).key, 'tester');
  });

  test('has the counts that an OpenAI-compatible server reports', async () => {
    const file = newFile();
    const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
    const choices = [{ index: 0, message: { role: 'assistant', content: 'a b c' }, finish_reason: 'stop' }];
    const data = [{ object: 'embedding', index: 0, embedding: [0.5] }];
    await using upstream = await openaiUpstream(async (res, request) => {
      const { stream: streams, model } = JSON.parse(request.body) as { stream?: boolean; model: string };
      if (model === 'broken') return sendJson(res, 503, { error: { message: 'busy' } });
      if (request.url.endsWith('/embeddings')) {
        return sendJson(res, 200, { object: 'list', model, data, usage: { prompt_tokens: 5, total_tokens: 5 } });
      }
      if (streams === true) return await saying('a', ' b', ' c')(res, request);
      return sendJson(res, 200, { id: 'x', object: 'chat.completion', created: 1, model, choices, usage });
    });
    const kind = { upstream: { kind: 'openai' as const, name: 'vllm' } };
    await using gateway = await testGateway(upstream, { keys, groups, usage: { file }, ...kind });
    const counted = { outcome: 'ok', status: 200, input_tokens: 9, output_tokens: 3 };
    const requests: readonly [path: string, body: object, row: object][] = [
      ['/v1/chat/completions', { messages }, counted],
      ['/v1/chat/completions', { messages, stream: true, stream_options: { include_usage: true } }, counted],
      ['/v1/messages', { messages, max_tokens: 9 }, counted],
      ['/v1/responses', { input: 'hi', stream: true }, counted],
      ['/api/chat', { messages }, counted],
      ['/v1/embeddings', { input: 'hi' }, { ...counted, input_tokens: 5, output_tokens: 0 }],
      ['/v1/chat/completions', { messages, model: 'broken' }, { outcome: 'upstream_error', input_tokens: 0 }],
    ];
    for (const [at, [path, body, row]] of requests.entries()) {
      const init = as('alice', { method: 'POST', body: JSON.stringify({ model: 'scripted', ...body }) });
      const text = await (await gateway.fetch(path, init)).text();
      const found = await nextRow(file, at);
      assert.deepEqual(found, { ...found, key: 'alice', route: path, upstream: 'vllm', ...row }, text);
    }
  });

  test('is estimated for a passed-through stream without usage', async () => {
    const file = newFile();
    await using upstream = await openaiUpstream(stream([chunk({ content: 'a' }), chunk({ content: 'b' }, 'stop')]));
    const kind = { upstream: { kind: 'openai' as const, name: 'vllm' } };
    await using gateway = await testGateway(upstream, { keys, groups, usage: { file }, ...kind });
    await (await gateway.chat({ model: 'scripted', stream: true })).text();
    const { outcome, input_tokens: input, output_tokens: output } = await nextRow(file, 0);
    assert.deepEqual([outcome, input > 0 && input < 20, output > 0 && output < 5], ['ok', true, true]);
  });
});

interface Line {
  readonly object: string;
  readonly name: string | null;
  readonly requests: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

async function usageOf(gateway: TestGateway, query: string, init?: RequestInit): Promise<Record<string, number[]>> {
  const response = await gateway.fetch(`/v1/usage${query}`, init);
  const {
    object,
    data,
    has_more: more,
  } = (await response.json()) as { object: string; data: Line[]; has_more: boolean };
  assert.deepEqual([response.status, object, more], [200, 'list', false]);
  const lines = data.map(({ name, requests, failed, input_tokens: input, output_tokens: output }) => [
    name ?? 'null',
    [requests, failed, input, output],
  ]);
  return Object.fromEntries(lines) as Record<string, number[]>;
}

suite('GET /v1/usage', () => {
  const file = newFile();
  const config = join(folder, 'usage.yaml');
  writeFileSync(config, `usage: {file: ${JSON.stringify(file)}}\n`);

  /** A gateway with three chats by alice, one of which failed, and one embedding by the tester. */
  async function used(): Promise<AsyncDisposable & { gateway: TestGateway }> {
    const upstream = await fakeUpstream(ollamaAnswer, models);
    const gateway = await testGateway(upstream, { keys, groups, usage: { file } });
    if (rowsOf(file).length === 0) {
      await (await gateway.chat({}, as('alice'))).text();
      await (await gateway.chat({ stream: true }, as('alice'))).text();
      await (await gateway.chat({ model: 'broken' }, as('alice'))).text();
      const body = JSON.stringify({ model: 'embedder', input: 'hi' });
      await (await gateway.fetch('/v1/embeddings', { method: 'POST', body })).text();
      await until('rows', () => rowsOf(file).length === 4);
    }
    return {
      gateway,
      ...ending(gateway, upstream),
    };
  }

  const today = new Date().toISOString().slice(0, 10);
  const mine = [3, 1, 92, 88];
  const theirs = [1, 0, 7, 0];
  const all = [4, 1, 99, 88];

  for (const [by, own, every] of [
    ['key', { alice: mine }, { alice: mine, tester: theirs }],
    ['group', { lab: mine }, { lab: mine, null: theirs }],
    [
      'model',
      { 'scripted-plain:latest': [2, 0, 92, 88], broken: [1, 1, 0, 0] },
      { 'scripted-plain:latest': [2, 0, 92, 88], embedder: theirs, broken: [1, 1, 0, 0] },
    ],
    [
      'outcome',
      { ok: [2, 0, 92, 88], upstream_error: [1, 1, 0, 0] },
      { ok: [3, 0, 99, 88], upstream_error: [1, 1, 0, 0] },
    ],
    ['day', { [today]: mine }, { [today]: all }],
  ] as const) {
    test(`sums by ${by}: a key's own usage, and all usage for an admin`, async () => {
      await using service = await used();
      assert.deepEqual(await usageOf(service.gateway, `?by=${by}`, as('alice')), own);
      assert.deepEqual(await usageOf(service.gateway, `?by=${by}&all=true&since=1h`), every);
    });
  }

  test('is empty for a key without requests, and for a period without requests', async () => {
    await using service = await used();
    assert.deepEqual(await usageOf(service.gateway, '', as('bob')), {});
    assert.deepEqual(await usageOf(service.gateway, '?until=2d', as('alice')), {});
  });

  test("returns errors in OpenAI's format", async () => {
    await using service = await used();
    for (const [query, status, code, param] of [
      ['?all=true', 403, 'insufficient_permissions', 'all'],
      ['?all=yes', 400, null, 'all'],
      ['?by=user', 400, null, 'by'],
      ['?since=yesterday', 400, null, 'since'],
      ['?since=2026-02-30', 400, null, 'since'],
      ['?until=1d&since=1h', 400, null, 'since'],
      ['?key=tester', 400, null, 'key'],
    ] as const) {
      const response = await service.gateway.fetch(`/v1/usage${query}`, as('alice'));
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      assert.deepEqual([response.status, error['code'], error['param']], [status, code, param], query);
      assert.deepEqual(Object.keys(error).toSorted(), ['code', 'message', 'param', 'type']);
    }
    assert.equal((await service.gateway.fetch('/v1/usage', { headers: { authorization: '' } })).status, 401);
    assert.equal((await service.gateway.fetch('/v1/usage', { method: 'POST' })).status, 405);
  });

  test('has the same sums as `llamaduct usage`, which reads the file while the gateway runs', async () => {
    await using service = await used();
    const { code, stdout, stderr } = await run(['usage', '--config', config, '--by', 'key', '--since', '7d']);
    assert.deepEqual([code, stderr], [0, '']);
    const cells = stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 5));
    assert.deepEqual(cells, [
      ['KEY', 'REQUESTS', 'FAILED', 'INPUT', 'OUTPUT'],
      ['alice', ...mine.map(String)],
      ['tester', ...theirs.map(String)],
      ['(total)', ...all.map(String)],
      [''],
    ]);
    assert.equal((await service.gateway.chat()).status, 200);
  });
});

test('the usage file contains no prompt, no answer and no `user` field', async () => {
  const file = newFile();
  await using upstream = await fakeUpstream((res) => {
    ndjson(res).end(chatLine('the answer is forty-two') + doneLine());
  });
  await using gateway = await testGateway(upstream, { keys, groups, usage: { file } });
  const body = { messages: [{ role: 'user', content: 'a very private question' }], user: 'somebody-private' };
  await (await gateway.chat(body)).text();
  await nextRow(file, 0);
  const database = new DatabaseSync(file, { readOnly: true });
  const text = JSON.stringify([database.prepare('SELECT * FROM requests, sums').all()]);
  database.close();
  assert.doesNotMatch(text, /private|forty/);
});
