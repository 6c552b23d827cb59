import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { suite, test } from 'node:test';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { failing, plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { keyOf, posted, tester } from '../limits/limited.ts';

const chat = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] };

/** The samples of /metrics that have a label with this value, without their buckets. */
async function samplesWith(gateway: TestGateway, label: string, value: string): Promise<string[]> {
  const text = await (await gateway.fetch('/metrics')).text();
  return text.split('\n').filter((line) => line.includes(`${label}="${value}"`) && !line.includes('_bucket{'));
}

function namesIn(samples: readonly string[]): string[] {
  return [...new Set(samples.map((line) => line.slice(0, line.indexOf('{'))))].toSorted();
}

suite('the series of what is configured', () => {
  test('are at 0 from the start for every server', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(
      [
        { name: 'busy', kind: 'ollama', url: upstream.url, parallel: 2 },
        { name: 'gone', kind: 'openai', url: 'http://127.0.0.1:1/v1' },
      ],
      { health: { interval: '0s' } },
    );
    for (const name of ['busy', 'gone']) {
      const samples = await samplesWith(gateway, 'upstream', name);
      const others = samples.filter((line) => !/^llamaduct_upstream_(up|slots)\{/.test(line));
      assert.ok(others.length > 20 && others.every((line) => line.endsWith(' 0')), others.join('\n'));
      const queue = ['llamaduct_queue_wait_seconds_count', 'llamaduct_queue_wait_seconds_sum'];
      const inQueue = name === 'busy' ? ['llamaduct_queue_depth', ...queue, 'llamaduct_upstream_in_flight'] : [];
      for (const metric of [
        'llamaduct_repetitions_ended_total',
        'llamaduct_requests_total',
        'llamaduct_retries_total',
        'llamaduct_time_to_first_token_seconds_count',
        'llamaduct_upstream_ejected',
        'llamaduct_upstream_errors_total',
        'llamaduct_upstream_up',
        ...inQueue,
      ]) {
        assert.ok(namesIn(samples).includes(metric), `${name} has no ${metric}`);
      }
    }
  });

  test('are at 0 from the start for every key, group and limit', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      usage: { file: ':memory:' },
      groups: { lab: { limits: { tokens_per_day: 1000 }, shared: { concurrent: 4 } } },
      keys: [tester, keyOf('alice', { group: 'lab', limits: { requests_per_minute: 5, max_tokens: 9 } })],
      access: 'open',
    });
    const samples = await samplesWith(gateway, 'key', 'alice');
    assert.deepEqual(
      samples.map((line) => line.replace(/"none"/g, '-')),
      [
        'llamaduct_limit_used_ratio{key="alice",limit="requests_per_minute"} 0',
        'llamaduct_limit_used_ratio{key="alice",limit="tokens_per_day"} 0',
        'llamaduct_requests_total{route=-,model=-,upstream=-,key="alice",outcome="ok"} 0',
        'llamaduct_tokens_total{key="alice",model=-,type="input"} 0',
        'llamaduct_tokens_total{key="alice",model=-,type="output"} 0',
        'llamaduct_rate_limited_total{key="alice",limit="in_flight"} 0',
        'llamaduct_rate_limited_total{key="alice",limit="requests_per_minute"} 0',
        'llamaduct_rate_limited_total{key="alice",limit="tokens_per_day"} 0',
      ],
    );
    const shared = await samplesWith(gateway, 'key', 'group:lab');
    assert.ok(shared.includes('llamaduct_rate_limited_total{key="group:lab",limit="concurrent"} 0'));
    assert.ok((await samplesWith(gateway, 'key', 'anonymous')).length > 0);
  });

  test('are gone for a revoked key, also after its last request has ended', async () => {
    let finish = (): void => undefined;
    await using upstream = await fakeUpstream(async (res, request) => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      await plainAnswer()(res, request);
    });
    const settings = { keys: [tester, keyOf('alice', { limits: { requests_per_minute: 5 } }), keyOf('bob')] };
    await using gateway = await testGateway(upstream, settings);
    const running = gateway.fetch('/v1/chat/completions', posted(chat, 'alice'));
    await until('the request to reach the upstream', () => upstream.requests.length === 1);
    assert.ok((await samplesWith(gateway, 'key', 'alice')).length > 0);
    const { upstreams: _, ...file } = configSchema.parse({ listen: '127.0.0.1:0', keys: [tester, keyOf('bob')] });
    const upstreams = [{ name: 'ollama', kind: 'ollama', url: upstream.url }] as const;
    await gateway.reload(() => Promise.resolve({ ...file, upstreams }));
    assert.deepEqual(await samplesWith(gateway, 'key', 'alice'), []);
    finish();
    assert.equal((await running).status, 200);
    await (await running).text();
    assert.deepEqual(await samplesWith(gateway, 'key', 'alice'), []);
    assert.ok((await samplesWith(gateway, 'key', 'bob')).length > 0);
    await gateway.reload(() => Promise.resolve({ ...file, keys: configSchema.parse(settings).keys, upstreams }));
    const counted = (await samplesWith(gateway, 'key', 'alice')).filter((line) => !line.includes('_used_ratio{'));
    assert.ok(counted.length > 0 && counted.every((line) => line.endsWith(' 0')));
  });
});

suite('llamaduct_upstream_up', () => {
  const up = async (gateway: TestGateway): Promise<number> =>
    await gateway.metric('llamaduct_upstream_up{upstream="ollama"}');

  test('is 0 while a server takes connections and does not answer', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const settings = { timeouts: { first_byte: '100ms' }, health: { interval: '0s' } };
    await using gateway = await testGateway(upstream, settings);
    await until('the server to be up', async () => (await up(gateway)) === 1);
    upstream.answer = () => undefined;
    assert.equal((await gateway.chat()).status, 504);
    assert.equal(await up(gateway), 0);
    upstream.answer = plainAnswer();
    await (await gateway.chat()).text();
    assert.equal(await up(gateway), 1);
  });

  test('is 0 for a server that closes every connection', async () => {
    const server = createServer((socket) => socket.destroy());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await using gateway = await testGateway({ url: `http://127.0.0.1:${port}` });
    assert.equal(await up(gateway), 0);
    server.close();
  });

  test('is 0 for a server whose certificate cannot be verified', async () => {
    const server = createTlsServer({});
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await using gateway = await testGateway({ url: `https://127.0.0.1:${port}` });
    assert.equal(await up(gateway), 0);
    server.close();
  });
});

test('the series of a removed upstream are gone, those of its histograms too', async () => {
  const metrics = new Metrics('1.0.0');
  const labels = { keys: ['alice'], limits: [] };
  const [old, other] = ['gpu1', 'gpu2'].map((name) => ({ name, hasQueue: true }));
  assert.ok(old && other);
  metrics.configure({ ...labels, upstreams: [old, other] });
  metrics.queues.set('gpu1', { size: 3, inFlight: 2 });
  metrics.firstToken.observe({ model: 'llama3', upstream: 'gpu1' }, 1);
  assert.match(await metrics.exposition(), /queue_depth\{upstream="gpu1"\} 3/);
  metrics.configure({ ...labels, upstreams: [other] });
  // A health check and a request that were under way.
  metrics.upstreamUp.set({ upstream: 'gpu1' }, 1);
  metrics.requests.inc({ route: '/', model: 'llama3', upstream: 'gpu1', key: 'alice', outcome: 'ok' });
  const text = await metrics.exposition();
  assert.doesNotMatch(text, /"gpu1"/);
  assert.match(text, /llamaduct_queue_wait_seconds_count\{upstream="gpu2"\} 0/);
});

suite('after a reload', () => {
  const configOf = (url: string, more: object = {}): (() => Promise<Config>) => {
    const { upstreams: _, ...file } = configSchema.parse({ listen: '127.0.0.1:0', keys: [tester] });
    return () => Promise.resolve({ ...file, upstreams: [{ name: 'ollama', kind: 'ollama', url, ...more }] as const });
  };

  test('a new server under an old name does not inherit its ejected models', async () => {
    await using bad = await fakeUpstream(failing(500));
    await using good = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(bad, { retries: { attempts: 1 }, health: { failures: 1, interval: '1h' } });
    assert.equal((await gateway.chat()).status, 502);
    const ejected = async (): Promise<string[]> =>
      (await samplesWith(gateway, 'upstream', 'ollama')).filter((line) => /_ejected\{.* 1$/.test(line));
    assert.equal((await ejected()).length, 1);
    await gateway.reload(configOf(good.url));
    assert.deepEqual(await ejected(), []);
  });

  test('an upstream without `parallel` has no queue in the metrics any more', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway([{ name: 'ollama', kind: 'ollama', url: upstream.url, parallel: 2 }], {
      health: { interval: '0s' },
    });
    const queue = async (): Promise<string[]> =>
      namesIn(await samplesWith(gateway, 'upstream', 'ollama')).filter((name) => /queue_depth|in_flight/.test(name));
    assert.deepEqual(await queue(), ['llamaduct_queue_depth', 'llamaduct_upstream_in_flight']);
    await gateway.reload(configOf(upstream.url));
    assert.deepEqual(await queue(), []);
  });
});
