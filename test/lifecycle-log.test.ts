import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../src/config/secret.ts';
import { type Config, configSchema } from '../src/config/schema.ts';
import { sendJson } from './helpers/answers.ts';
import { type TestGateway, testGateway } from './helpers/gateway.ts';
import { heldUpstream } from './helpers/held-upstream.ts';
import { plainAnswer } from './helpers/ollama-answers.ts';
import { saying } from './helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from './helpers/upstream.ts';
import { until } from './helpers/wait.ts';
import { keyOf, tester } from './limits/limited.ts';
import { version } from '../src/version.ts';

function lineOf({ log }: TestGateway, pattern: RegExp): Record<string, unknown> {
  const line = log.find(({ msg }) => pattern.test(String(msg)));
  assert.ok(line, `no line matches ${pattern}`);
  return line;
}

suite('the log of the start', () => {
  test('names version, address, upstreams with versions and models, keys and stores', async () => {
    await using ollama = await fakeUpstream(
      (res, request) =>
        request.url === '/api/version' ? sendJson(res, 200, { version: '0.17.4' }) : plainAnswer()(res, request),
      ['llama3:latest', 'qwen3:8b'],
    );
    await using vllm = await openaiUpstream(saying('hi'), ['gpt-oss']);
    await using gateway = await testGateway(
      [
        { name: 'gpu1', kind: 'ollama', url: ollama.url, parallel: 4 },
        { name: 'vllm', kind: 'openai', url: vllm.url },
        { name: 'gone', kind: 'ollama', url: 'http://127.0.0.1:1' },
      ],
      { keys: [tester, keyOf('alice')], groups: { lab: {} } },
    );
    await gateway.logStart('/etc/llamaduct.yaml');
    const { time: _, ...line } = lineOf(gateway, / started on /);
    assert.deepEqual(line, {
      level: 'info',
      version,
      node: process.versions.node,
      address: gateway.url,
      config_file: '/etc/llamaduct.yaml',
      access: 'keys',
      keys: 2,
      groups: 1,
      limits_store: 'memory',
      usage_store: 'memory',
      upstreams: [
        {
          name: 'gpu1',
          kind: 'ollama',
          parallel: 4,
          up: true,
          version: '0.17.4',
          models: 2,
          model_names: ['llama3:latest', 'qwen3:8b'],
        },
        { name: 'vllm', kind: 'openai', up: true, models: 1, model_names: ['gpt-oss'] },
        { name: 'gone', kind: 'ollama', up: false, cause: 'ECONNREFUSED' },
      ],
      msg: `llamaduct ${version} started on ${gateway.url}: 2 of 3 upstreams up, 2 keys`,
    });
  });

  test('does not wait for an upstream that never answers', async () => {
    await using upstream = await fakeUpstream(() => undefined);
    const { list } = upstream;
    await using gateway = await testGateway(upstream, { health: { interval: '0s' } });
    upstream.list = () => undefined;
    await gateway.logStart(undefined);
    assert.deepEqual((lineOf(gateway, / started on /)['upstreams'] as object[])[0], {
      name: 'ollama',
      kind: 'ollama',
      up: true,
      models: 1,
      model_names: ['scripted-plain:latest'],
    });
    upstream.list = list;
  });
});

test('the log of a reload names what it changed', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  const settings = { keys: [tester, keyOf('alice'), keyOf('bob')], aliases: { small: 'llama3' } };
  await using gateway = await testGateway(upstream, settings);
  const changed = { ...tester, name: 'tester' };
  const { upstreams: _, ...file } = configSchema.parse({
    listen: '127.0.0.1:0',
    retries: { attempts: 1 },
    keys: [changed, { name: 'bob', hash: hashSecret('another') }, keyOf('carol')],
    aliases: { small: 'qwen3' },
  });
  const next: Config = { ...file, upstreams: [{ name: 'ollama', kind: 'ollama', url: upstream.url }] };
  await gateway.reload(() => Promise.resolve(next));
  const { changed: names, keys_added, keys_removed, keys_changed } = lineOf(gateway, /^configuration reloaded/);
  assert.deepEqual(
    { names, keys_added, keys_removed, keys_changed },
    { names: ['keys', 'aliases'], keys_added: ['carol'], keys_removed: ['alice'], keys_changed: ['bob'] },
  );
  assert.doesNotMatch(JSON.stringify(gateway.log), /sha256/);
});

suite('the log of the end', () => {
  test('says that it drains and stops, why, and how many requests it ended', async () => {
    const upstream = await heldUpstream();
    const gateway = await testGateway(upstream, {
      upstream: { parallel: 1 },
      timeouts: { drain: '20ms', grace: '20ms' },
    });
    const running = gateway.chat();
    await until('the running request', () => upstream.requests.length === 1);
    const queued = gateway.chat();
    await until('the queued request', async () => (await gateway.metric('llamaduct_in_flight')) >= 3);
    await gateway.close('SIGTERM');
    assert.deepEqual([(await running).status, (await queued).status], [503, 503]);
    await upstream[Symbol.asyncDispose]();
    const fields = { reason: 'SIGTERM', in_flight: 2, queued: 1 };
    for (const [pattern, more] of [
      [/^draining: /, { ...fields, drain_ms: 20 }],
      [/^stopping: /, { ...fields, grace_ms: 20 }],
      [/^llamaduct stopped$/, { ended_requests: 1 }],
    ] as const) {
      const { time: _, level: __, msg: ___, seconds: ____, ...line } = lineOf(gateway, pattern);
      assert.deepEqual(line, more);
    }
  });
});
