import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, suite, test } from 'node:test';
import { parseConfig } from '../../src/config/file.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { temporaryFolder } from '../usage/rows.ts';
import { type Running, run, startLlamaduct } from './run.ts';

const folder = temporaryFolder();
const root = 'the-secret-of-root';
const ready = /^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+)\n/m;
let files = 0;

interface Settings {
  /** Additional lines of the file. */
  readonly lines?: string;
  /** Additional lines of its key, or more keys. */
  readonly key?: string;
}

interface Setup {
  readonly file: string;
  readonly usageFile: string;
  readonly upstream: FakeUpstream;
  /** Formats a configuration file. */
  readonly text: (settings?: Settings) => string;
  readonly serve: () => Promise<Served>;
}

interface Served {
  readonly llamaduct: Running;
  readonly url: string;
  /** @returns the status of a chat request */
  chat(key?: string): Promise<number>;
  /** Waits until a chat request with this key has this status. */
  until(what: string, key: string, status: number): Promise<void>;
  metric(name: string): Promise<string | undefined>;
  /** Kills it with SIGKILL, like a crash. */
  crash(): Promise<void>;
}

/** Creates a configuration file and an upstream, and ends every process after the test. */
async function setUp(t: TestContext): Promise<Setup> {
  files += 1;
  const [file, usageFile] = [join(folder, `${files}.yaml`), join(folder, `${files}.db`)];
  const upstream = await fakeUpstream(plainAnswer());
  t.after(async () => await upstream[Symbol.asyncDispose]());
  const text = ({ lines = '', key = '' }: Settings = {}): string =>
    `listen: 127.0.0.1:0\nupstreams: [{url: "${upstream.url}"}]\nusage: {file: ${JSON.stringify(usageFile)}}\n${lines}` +
    `keys:\n  - name: root\n    hash: ${hashSecret(root)}\n    scopes: [inference, admin, metrics]\n${key}`;
  writeFileSync(file, text());
  const serve = async (): Promise<Served> => {
    const llamaduct = startLlamaduct(['--config', file]);
    t.after(async () => {
      llamaduct.kill('SIGKILL');
      await llamaduct.ended;
    });
    const [, url = ''] = await llamaduct.until(ready);
    return served(llamaduct, url);
  };
  return { file, usageFile, upstream, text, serve };
}

function served(llamaduct: Running, url: string): Served {
  const chat = async (key = root): Promise<number> => {
    const response = await postChat(url, key, {});
    await response.text();
    return response.status;
  };
  return {
    llamaduct,
    url,
    chat,
    until: async (what, key, status) => await until(what, async () => (await chat(key)) === status),
    async metric(name) {
      const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${root}` } });
      return new RegExp(`^${name} (.*)$`, 'm').exec(await response.text())?.[1];
    },
    async crash() {
      llamaduct.kill('SIGKILL');
      await llamaduct.ended;
    },
  };
}

async function postChat(url: string, key: string, body: object): Promise<Response> {
  return await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], ...body }),
  });
}

/** Runs a command that must succeed. @returns its standard output */
async function runOk(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

function secretIn(stdout: string): string {
  return /^ {2}(ld-\S+)$/m.exec(stdout)?.[1] ?? assert.fail(stdout);
}

suite('a running llamaduct', () => {
  test('applies keys new, keys rotate and keys revoke', async (t) => {
    const { file, serve } = await setUp(t);
    const served = await serve();
    const first = secretIn(await runOk('keys', 'new', '--name', 'alice', '--config', file));
    await served.until('the new key to be accepted', first, 200);
    const second = secretIn(await runOk('keys', 'rotate', 'alice', '--keep', '1h', '--config', file));
    await served.until('the new secret to be accepted', second, 200);
    assert.equal(await served.chat(first), 200);
    const third = secretIn(await runOk('keys', 'rotate', 'alice', '--config', file));
    await served.until('the last secret to be accepted', third, 200);
    assert.deepEqual([await served.chat(first), await served.chat(second)], [401, 401]);
    await runOk('keys', 'revoke', 'alice', '--config', file);
    await served.until('the key to be rejected', third, 401);
    assert.equal(await served.chat(), 200);
  });

  test('keeps its configuration when the file becomes invalid, until it is valid again', async (t) => {
    const { file, serve, text } = await setUp(t);
    const served = await serve();
    const success = 'llamaduct_config_last_reload_success';
    assert.equal(await served.metric(success), '1');
    writeFileSync(file, `${text()}listne: x\n`);
    await until('the failure to be reported', async () => (await served.metric(success)) === '0');
    assert.equal(await served.chat(), 200);
    const key = `  - name: alice\n    hash: ${hashSecret('the-secret-of-alice')}\n`;
    writeFileSync(`${file}.tmp`, text({ key }));
    renameSync(`${file}.tmp`, file);
    await served.until('the new key to be accepted', 'the-secret-of-alice', 200);
    assert.equal(await served.metric(success), '1');
    rmSync(file);
    served.llamaduct.kill('SIGHUP');
    await until('the failure to be reported', async () => (await served.metric(success)) === '0');
    assert.equal(await served.chat(), 200);
    served.llamaduct.kill('SIGTERM');
    const { code, stderr } = await served.llamaduct.ended;
    assert.equal(code, 0);
    const [first = '', second = '', ...others] = stderr.match(/^.*"configuration not reloaded".*$/gm) ?? [];
    assert.match(first, /:8:1: listne: unknown setting; did you mean listen\?"/);
    assert.match(second, /cannot read the configuration file: ENOENT/);
    assert.deepEqual(others, []);
  });

  test('reloads an unchanged file on SIGHUP', async (t) => {
    const { serve } = await setUp(t);
    const served = await serve();
    const name = 'llamaduct_config_last_reload_success_timestamp_seconds';
    const before = Number(await served.metric(name));
    served.llamaduct.kill('SIGHUP');
    await until('the reload', async () => Number(await served.metric(name)) > before);
    assert.equal(await served.chat(), 200);
  });

  test('ignores the temporary file of an interrupted edit', async (t) => {
    const { file, serve, text } = await setUp(t);
    const served = await serve();
    writeFileSync(join(folder, `.${files}.yaml.new`), 'listne: half a f');
    const key = `  - name: alice\n    hash: ${hashSecret('the-secret-of-alice')}\n`;
    writeFileSync(file, text({ key }));
    await served.until('the new key to be accepted', 'the-secret-of-alice', 200);
    served.llamaduct.kill('SIGTERM');
    assert.doesNotMatch((await served.llamaduct.ended).stderr, /not reloaded/);
  });

  test('applies a file that was written while it started', async (t) => {
    const { file, text, usageFile } = await setUp(t);
    const llamaduct = startLlamaduct(['--config', file]);
    t.after(async () => {
      llamaduct.kill('SIGKILL');
      await llamaduct.ended;
    });
    await until('the file to have been read', () => existsSync(usageFile));
    writeFileSync(file, text({ key: `  - name: alice\n    hash: ${hashSecret('the-secret-of-alice')}\n` }));
    const [, url = ''] = await llamaduct.until(ready);
    await served(llamaduct, url).until('the new key to be accepted', 'the-secret-of-alice', 200);
  });

  test('applies a change while many requests write to a usage database in the same folder', async (t) => {
    const { file, serve, text } = await setUp(t);
    const served = await serve();
    const done = new AbortController();
    const clients = Array.from({ length: 4 }, async () => {
      while (!done.signal.aborted) assert.equal(await served.chat(), 200);
    });
    const key = `  - name: alice\n    hash: ${hashSecret('the-secret-of-alice')}\n`;
    writeFileSync(file, text({ key }));
    await served.until('the new key to be accepted', 'the-secret-of-alice', 200).finally(() => done.abort());
    await Promise.all(clients);
  });
});

test('tokens_per_day keeps its count after a crash and after a restart', async (t) => {
  const { file, serve, text } = await setUp(t);
  // A response takes 90 tokens, and the next request is estimated at 10 at most.
  const key = '    limits: {tokens_per_day: 200, max_tokens: 9}\n';
  writeFileSync(file, text({ key }));
  const first = await serve();
  assert.equal(await first.chat(), 200);
  await first.crash();
  const second = await serve();
  assert.equal(await second.chat(), 200);
  second.llamaduct.kill('SIGTERM');
  assert.equal((await second.llamaduct.ended).code, 0);
  const third = await serve();
  assert.equal(await third.chat(), 200);
  const refused = await postChat(third.url, root, {});
  const { error } = (await refused.json()) as { error: { code: string } };
  assert.deepEqual([refused.status, error.code], [429, 'insufficient_quota']);
  await third.crash();
  const last = await serve();
  assert.equal(await last.chat(), 429);
});

test('SIGKILL under load loses no usage row of a completed response', async (t) => {
  const { file, serve, usageFile } = await setUp(t);
  const first = await serve();
  /** The ids of responses that clients received completely. */
  const complete: string[] = [];
  let sent = 0;
  const clients = Array.from({ length: 10 }, async () => {
    for (;;) {
      const stream = (sent += 1) % 2 === 0;
      const response = await postChat(first.url, root, { stream });
      const id = response.headers.get('x-request-id') ?? assert.fail();
      if (!stream) await response.json();
      else if (!(await response.text()).endsWith('data: [DONE]\n\n')) throw new Error('cut off');
      complete.push(id);
      if (complete.length === 200) first.llamaduct.kill('SIGKILL');
    }
  });
  for (const { status } of await Promise.allSettled(clients)) assert.equal(status, 'rejected');
  await first.llamaduct.ended;
  assert.ok(complete.length >= 200 && complete.length < sent);

  const { data } = JSON.parse(await runOk('usage', '--json', '--config', file)) as { data: { requests: number }[] };
  const requests = data.reduce((sum, line) => sum + line.requests, 0);
  const second = await serve();
  assert.equal(await second.chat(), 200);
  second.llamaduct.kill('SIGTERM');
  assert.equal((await second.llamaduct.ended).code, 0);

  const database = new DatabaseSync(usageFile, { readOnly: true });
  const rows = database.prepare('SELECT id FROM requests').all();
  const check = { ...database.prepare('PRAGMA integrity_check').get() };
  database.close();
  assert.deepEqual(check, { integrity_check: 'ok' });
  const recorded = new Set(rows.map(({ id }) => String(id)));
  assert.deepEqual(
    complete.filter((id) => !recorded.has(id)),
    [],
  );
  assert.deepEqual([recorded.size, rows.length], [requests + 1, requests + 1]);
  assert.ok(requests <= sent);
  assert.ok(readFileSync(usageFile).length > 0);
});

suite('check', () => {
  const hash = hashSecret(root);
  const jwt = 'issuer: https://login.test, audience: a, jwks_url: "https://login.test/keys"';
  for (const [text, message] of [
    [
      `keys: [{name: a, hash: "${hash}", group: lab}]\n`,
      /:1:\d+: keys\[0\]\.group: unknown group "lab" \(no groups are defined\)$/,
    ],
    [`keys: [{name: a, hash: "${hash}", group: constructor}]\n`, /keys\[0\]\.group: unknown group "constructor"/],
    [
      `keys: [{name: a, hash: "${hash}", limits: {tokens_per_day: 5}}]\n`,
      /: usage: tokens_per_day and .* usage\.file or valkey/,
    ],
    ['groups: {lab: {limits: {tokens_per_month: 5}}}\n', /: usage: tokens_per_day and tokens_per_month need/],
    ['groups: {lab: {shared: {tokens_per_day: 5}}}\n', /: usage: tokens_per_day and tokens_per_month need/],
    ...['anonymous', 'none', 'metrics-token', 'token', 'token-lab'].map(
      (name) =>
        [`keys: [{name: ${name}, hash: "${hash}"}]\n`, /:1:15: keys\[0\]\.name: this name is reserved/] as const,
    ),
    [`jwt: {${jwt}, default_group: lab}\n`, /:1:\d+: jwt\.default_group: unknown group "lab" /],
    [
      `jwt: {${jwt.replace('//login.test/', '//me:pass@login.test/')}}\n`,
      /jwt\.jwks_url: expected a URL without user name/,
    ],
    [
      `jwt: {${jwt.replace('//login.test/', '//:pass@login.test/')}}\n`,
      /jwt\.jwks_url: expected a URL without user name/,
    ],
  ] as const) {
    test(`rejects ${text.trim()}`, () => {
      assert.throws(
        () => parseConfig(text, 'file'),
        (error: Error) => {
          assert.equal(error.name, 'ConfigError');
          assert.match(error.message, message);
          return !error.message.includes('\n');
        },
      );
    });
  }

  test('accepts a file without keys when jwt is set, and serve starts with it', async (t) => {
    const file = join(folder, 'jwt.yaml');
    const group = 'groups: {lab: {limits: {tokens_per_day: 5}}}\nusage: {file: jwt.db}\n';
    writeFileSync(file, `jwt: {${jwt}, default_group: lab}\n${group}`);
    assert.equal(await runOk('check', file), `${file}: ok\n`);
    writeFileSync(file, `listen: 127.0.0.1:0\njwt: {${jwt}}\n`);
    assert.equal(await runOk('check', file), `${file}: ok\n`);
    const llamaduct = startLlamaduct(['--config', file]);
    t.after(async () => {
      llamaduct.kill('SIGKILL');
      await llamaduct.ended;
    });
    const [, url = ''] = await llamaduct.until(ready);
    assert.equal((await postChat(url, root, {})).status, 401);
  });
});
