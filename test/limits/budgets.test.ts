import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, suite, test } from 'node:test';
import { openForReading } from '../../src/usage/database.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream } from '../helpers/openai-answers.ts';
import { type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { clock, counting, keyOf, noon, posted, tester } from './limited.ts';

const messages = [{ role: 'user', content: 'x'.repeat(80) }];
const chat = { model: 'scripted-plain:latest', messages, max_tokens: 100, options: { num_predict: 100 } };

function fileFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-budgets-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'usage.sqlite');
}

async function start(upstream: FakeUpstream, file: string, settings: object = {}): Promise<TestGateway> {
  return await testGateway(upstream, {
    keys: [tester, keyOf('alice', { limits: { tokens_per_day: 400 } })],
    usage: { file },
    timeouts: { grace: '100ms' },
    ...settings,
  });
}

async function ask(gateway: TestGateway, key: string): Promise<{ status: number; text: string }> {
  const response = await gateway.fetch('/v1/chat/completions', posted(chat, key));
  return { status: response.status, text: await response.text() };
}

interface Row {
  readonly key: string;
  readonly group: string | null;
  readonly outcome: string;
  readonly status: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
}

/** The ledger's rows, in order. */
function rowsIn(file: string): Row[] {
  const database = openForReading(file);
  const rows = database
    .prepare('SELECT "key", "group", outcome, status, input_tokens, output_tokens FROM requests ORDER BY rowid')
    .all();
  database.close();
  return rows.map((row) => ({ ...row }) as unknown as Row);
}

async function lastRow(file: string): Promise<Row> {
  await until('a row', () => rowsIn(file).length > 0);
  return rowsIn(file).at(-1) as Row;
}

/** The tokens that alice has used today, as the message of a refusal reports them. */
async function used(gateway: TestGateway): Promise<number> {
  const body = { ...chat, messages: [{ role: 'user', content: 'x'.repeat(4 * 300) }], max_tokens: 100 };
  const response = await gateway.fetch('/v1/chat/completions', posted(body, 'alice'));
  const text = await response.text();
  assert.equal(response.status, 429, text);
  return Number(/; (\d+) are used/.exec(text)?.[1]);
}

suite('tokens a day', () => {
  test('are still counted after a restart', async (t) => {
    const advance = clock(t);
    const file = fileFor(t);
    await using upstream = await fakeUpstream(counting(30, 120));
    {
      await using first = await start(upstream, file);
      assert.equal((await ask(first, 'alice')).status, 200);
    }
    {
      await using second = await start(upstream, file);
      assert.equal((await ask(second, 'alice')).status, 200);
      // 300 are used; 120 more would exceed 400.
      assert.match((await ask(second, 'alice')).text, /400 tokens per day; 300 are used/);
      assert.equal((await second.chat()).status, 200);
    }
    await using third = await start(upstream, file);
    const refused = await third.fetch('/api/chat', posted(chat, 'alice'));
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '43190']);
    assert.match(await refused.text(), /300 are used/);
    advance(86_400_000);
    assert.equal((await ask(third, 'alice')).status, 200);
  });

  test('are still counted after a restart for a group and for a month', async (t) => {
    const advance = clock(t);
    const file = fileFor(t);
    const settings = {
      groups: { lab: { shared: { tokens_per_month: 400 } } },
      keys: [tester, keyOf('alice', { group: 'lab' }), keyOf('bob', { group: 'lab' })],
    };
    await using upstream = await fakeUpstream(counting(30, 120));
    for (const key of ['alice', 'bob']) {
      await using gateway = await start(upstream, file, settings);
      assert.equal((await ask(gateway, key)).status, 200);
    }
    await using gateway = await start(upstream, file, settings);
    advance(3 * 86_400_000);
    const { status, text } = await ask(gateway, 'bob');
    assert.equal(status, 429);
    assert.match(text, /group lab is reached: 400 tokens per month; 300 are used.*after 2026-12-01T00:00Z/);
    assert.equal((await gateway.chat()).status, 200);
  });

  test('do not include the usage of the day before, which is in the ledger', async (t) => {
    const advance = clock(t);
    const file = fileFor(t);
    await using upstream = await fakeUpstream(counting(30, 120));
    {
      await using gateway = await start(upstream, file);
      for (let request = 0; request < 2; request += 1) assert.equal((await ask(gateway, 'alice')).status, 200);
    }
    advance(Date.UTC(2026, 10, 22, 0, 0, 1) - noon);
    await using gateway = await start(upstream, file);
    for (let request = 0; request < 2; request += 1) assert.equal((await ask(gateway, 'alice')).status, 200);
    assert.equal((await ask(gateway, 'alice')).status, 429);
  });
});

suite('an answer whose client disconnects early', () => {
  const chunkCount = 5;
  const words = Array.from({ length: chunkCount }, (_, index) => `${index} `);
  const ollama = async (): Promise<FakeUpstream> =>
    await fakeUpstream(async (res) => {
      ndjson(res);
      for (const word of words) await new Promise((resolve) => res.write(chatLine(word), resolve));
    });
  const openai = async (): Promise<FakeUpstream> =>
    await openaiUpstream(
      stream(
        words.map((content) => chunk({ content })),
        'hold',
      ),
      [chat.model],
    );

  for (const [kind, upstreamOf] of Object.entries({ ollama, openai })) {
    for (const path of ['/v1/chat/completions', '/v1/messages', '/api/chat', '/v1/responses']) {
      test(`is charged for what was sent, with the same tokens in the ledger: ${path} with ${kind} upstream`, async (t) => {
        clock(t);
        const file = fileFor(t);
        await using upstream = await upstreamOf();
        await using gateway = await start(upstream, file, { upstream: { kind } });
        const input = path === '/v1/responses' ? { input: messages, max_output_tokens: 100 } : {};
        const body = { ...chat, ...input, stream: true };
        const response = await gateway.fetch(path, posted(body, 'alice'));
        const reader = response.body?.getReader();
        let read = '';
        while (!read.includes(words.at(-1) ?? '?')) {
          const { value, done } = (await reader?.read()) ?? {};
          assert.ok(done !== true, read);
          read += Buffer.from(value ?? []).toString('utf8');
        }
        await reader?.cancel();
        const { input_tokens: prompt, output_tokens: output, ...row } = await lastRow(file);
        assert.deepEqual(row, { key: 'alice', group: null, outcome: 'client_closed', status: 200 });
        // 80 characters of prompt; a body that is passed through also counts the model name and the role.
        assert.ok(prompt >= 20 && prompt <= 30, `${prompt}`);
        assert.ok(output >= 1 && output <= chunkCount + 1, `${output}`);
        assert.equal(await used(gateway), prompt + output);
        assert.equal(rowsIn(file).length, 2);
      });
    }
  }

  test('is charged for each chunk, also for chunks that arrive together', async (t) => {
    const file = fileFor(t);
    await using upstream = await fakeUpstream((res) => {
      ndjson(res);
      res.flushHeaders();
      // Node would join several writes to one chunk.
      const chunks = words
        .map((word) => chatLine(word))
        .map((line) => `${Buffer.byteLength(line).toString(16)}\r\n${line}\r\n`);
      res.socket?.write(chunks.join(''));
    });
    await using gateway = await start(upstream, file);
    const client = new AbortController();
    const response = await gateway.fetch(
      '/v1/chat/completions',
      posted({ ...chat, stream: true }, 'alice', { signal: client.signal }),
    );
    const { value } = (await response.body?.getReader().read()) ?? {};
    assert.match(Buffer.from(value ?? []).toString(), new RegExp(`"content":"${words.at(-1) ?? '?'}"`));
    client.abort();
    const { outcome, output_tokens: output } = await lastRow(file);
    assert.deepEqual([outcome, output], ['client_closed', chunkCount]);
  });

  test('costs its prompt and the time at the model if nothing of it was sent', async (t) => {
    clock(t);
    const file = fileFor(t);
    let answers = false;
    await using upstream = await fakeUpstream((res, request) =>
      answers ? counting(30, 300)(res, request) : undefined,
    );
    await using gateway = await start(upstream, file);
    for (const path of ['/v1/chat/completions', '/api/chat']) {
      const client = new AbortController();
      const aborted = gateway.fetch(path, posted({ ...chat, stream: true }, 'alice', { signal: client.signal }));
      await until('the request to reach the upstream', () => upstream.open === 1);
      client.abort();
      await assert.rejects(aborted, { name: 'AbortError' });
      await until('the upstream request to be aborted', () => upstream.open === 0);
    }
    await until('both rows', () => rowsIn(file).length === 2);
    for (const { outcome, input_tokens: input, output_tokens: output } of rowsIn(file)) {
      assert.equal(outcome, 'client_closed');
      assert.ok(input >= 20 && output > 0 && output <= 100, `${input} and ${output}`);
    }
    const before = rowsIn(file).reduce((sum, row) => sum + row.input_tokens + row.output_tokens, 0);
    answers = true;
    assert.equal((await ask(gateway, 'alice')).status, 200);
    assert.equal(await used(gateway), before + 330);
  });
});

test('requests refused by a limit are in the ledger without tokens', async (t) => {
  clock(t);
  const file = fileFor(t);
  await using upstream = await fakeUpstream(counting(30, 300));
  await using gateway = await start(upstream, file);
  for (const expected of [200, 429, 429]) assert.equal((await ask(gateway, 'alice')).status, expected);
  assert.deepEqual(
    rowsIn(file).map(({ outcome, status, input_tokens: input, output_tokens: output }) => [
      outcome,
      status,
      input,
      output,
    ]),
    [
      ['ok', 200, 30, 300],
      ['client_error', 429, 0, 0],
      ['client_error', 429, 0, 0],
    ],
  );
});
