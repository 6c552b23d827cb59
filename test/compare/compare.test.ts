import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { chat, chatStream } from './api-client.ts';
import type { Check } from './check.ts';
import { checks } from './checks.ts';
import { type Row, toMarkdown } from './report.ts';
import { attempt } from './run.ts';
import { type Open, type Target, openLlamaduct, openOllama } from './target.ts';

const models = new Set(['scripted-plain:latest']);

/** @returns the result of a check that runs `run` */
async function outcome(run: Check['run'], needs: readonly string[] = []): ReturnType<typeof attempt> {
  return await attempt({ number: 1, title: 'check', needs, run }, openOllama, 'http://127.0.0.1:9', models, 20);
}

describe('a check', () => {
  test('passes when it throws nothing', async () => {
    assert.deepEqual(await outcome(async () => {}, ['scripted-plain']), { result: 'passed' });
  });

  test('fails with the first line of the assertion, without the values', async () => {
    const found = await outcome(async () => assert.deepEqual([1], [2], 'too few'));
    assert.deepEqual(found, { result: 'failed', reason: 'too few' });
  });

  test('fails when it throws another error', async () => {
    const found = await outcome(async () => void JSON.parse('<html>'));
    assert.ok(found.result === 'failed');
    assert.match(found.reason, /^unexpected response: Unexpected token/);
  });

  test('fails after two timeouts', async () => {
    let runs = 0;
    const found = await outcome(async () => {
      runs += 1;
      await new Promise(() => undefined);
    });
    assert.deepEqual(found, { result: 'failed', reason: 'timed out after 20 ms' });
    assert.equal(runs, 2);
  });

  test('is not run when the Ollama does not have its model', async () => {
    const found = await outcome(async () => assert.fail('it ran'), ['scripted-plain', 'scripted-soft']);
    assert.deepEqual(found, { result: 'not run', reason: 'this Ollama does not have scripted-soft' });
  });
});

test('the checks cover every topic but 22, Responses and Messages', () => {
  const topics = [...new Set(checks.map(({ number }) => number))];
  assert.deepEqual(
    topics,
    Array.from({ length: 34 }, (_, at) => at + 1).filter((number) => number !== 22),
  );
  assert.equal(new Set(checks.map(({ title }) => title)).size, checks.length);
});

test('README lists every check', async () => {
  const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8');
  for (const { number, title, beyond } of checks) {
    const cells = `| ${number} | ${title}${beyond === true ? ' ¹' : ''} |`;
    assert.ok(readme.includes(cells), cells);
  }
});

test('the table shows both targets, and the reasons of failures below it', () => {
  const passed = { result: 'passed' } as const;
  const rows: Row[] = [
    { number: 1, title: 'it answers', ollama: passed, llamaduct: passed },
    {
      number: 2,
      title: 'it counts',
      beyond: true,
      ollama: { result: 'failed', reason: 'no counts' },
      llamaduct: passed,
    },
    { number: 3, title: 'it thinks', ollama: passed, llamaduct: { result: 'not run', reason: 'no model' } },
  ];
  assert.equal(
    toMarkdown(rows, '0.17.4'),
    `| # | Check | Ollama 0.17.4 /v1 | llamaduct |
| ---: | --- | :---: | :---: |
| 1 | it answers | ✅ | ✅ |
| 2 | it counts ¹ | ❌ | ✅ |
| 3 | it thinks | ✅ | – |
| | **of 3** | **2** | **2** |

¹ Not part of the OpenAI API (1 of the 3 checks).

Not passed by llamaduct:

- 3, it thinks: not run: no model

Not passed by Ollama 0.17.4 /v1:

- 2, it counts: failed: no counts
`,
  );
});

describe('a target', () => {
  const upstream = async (): ReturnType<typeof fakeUpstream> =>
    await fakeUpstream((res, { url, body }) => {
      const request = JSON.parse(body) as { _debug_render_only?: boolean };
      if (request._debug_render_only === true) {
        res.end(JSON.stringify({ _debug_info: { rendered_template: `from ${url}` } }));
      } else if (url === '/api/chat') {
        ndjson(res).end(chatLine('Hello') + doneLine());
      } else {
        res.end('{"capabilities":["completion"],"model_info":{}}');
      }
    });
  const open = async (how: Open, ollama: string): Promise<Target> => await how(ollama, AbortSignal.timeout(5_000));
  const body = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] };

  test('llamaduct: responses come from Ollama, and the prompt is that of its native request', async () => {
    await using ollama = await upstream();
    await using target = await open(openLlamaduct, ollama.url);
    assert.equal((await chat(target, body)).choices[0]?.message.content, 'Hello');
    const { chunks, done, error } = await chatStream(target, body);
    assert.deepEqual(
      chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.content ?? [])),
      ['Hello'],
    );
    assert.deepEqual([done, error], [true, undefined]);
    assert.deepEqual(await target.prompt(body), { rendered_template: 'from /api/chat' });
  });

  test("Ollama's own /v1: the prompt is that of the request itself", async () => {
    await using ollama = await upstream();
    await using target = await open(openOllama, ollama.url);
    assert.deepEqual(await target.prompt(body), { rendered_template: 'from /v1/chat/completions' });
  });

  test('llamaduct: a check may change its settings', async () => {
    await using ollama = await upstream();
    await using target = await open(openLlamaduct, ollama.url);
    await using strict = await target.configured({ strict: true });
    await chat(target, { ...body, store: true });
    await assert.rejects(chat(strict, { ...body, store: true }), /HTTP 400/);
  });

  test('llamaduct: a target that cannot be opened leaves no listener open', async () => {
    await using ollama = await upstream();
    await using target = await open(openLlamaduct, ollama.url);
    const listeners = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
    const before = listeners();
    await assert.rejects(target.configured({ nonsense: true }), /nonsense/);
    await until('its proxy to be closed', () => listeners() === before, 1_000);
  });
});

describe('npm run compare', () => {
  const run = promisify(execFile);
  const main = join(import.meta.dirname, 'main.ts');

  test('prints its usage when the address is missing', async () => {
    await assert.rejects(run(process.execPath, [main]), { code: 2, stderr: /^npm run compare -- --ollama URL/ });
  });

  test('reports that there is no Ollama', async () => {
    const args = [main, '--ollama', 'http://127.0.0.1:9'];
    await assert.rejects(run(process.execPath, args), {
      code: 2,
      stderr: 'No Ollama at http://127.0.0.1:9.\n',
    });
  });
});
