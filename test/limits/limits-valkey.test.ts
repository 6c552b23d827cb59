import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { Redis } from 'iovalkey';
import { startLlamaduct } from '../cli/run.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';
import { clock, counting, endpoints, keyOf, noon, posted, tester } from './limited.ts';

const model = 'scripted-plain:latest';
const chat = { model, messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 };
const ready = /^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+)/m;

async function statusAt(url: string, key = 'alice'): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, posted(chat, key));
  await response.text();
  return response.status;
}

suite('limits shared by several instances', { skip: noValkey }, () => {
  test('are one limit for two processes', async (t) => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(counting(5, 5));
    const folder = mkdtempSync(join(tmpdir(), 'llamaduct-limits-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'llamaduct.yaml');
    const config = {
      listen: '127.0.0.1:0',
      log_level: 'silent',
      upstreams: [{ url: upstream.url }],
      valkey: { url: valkey.url },
      keys: [{ name: 'alice', hash: hashSecret('alice'), limits: { requests_per_minute: 20 } }],
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config));
    // A fixed clock, so that no minute ends during the test.
    const clockAtNoon = `--import "data:text/javascript,Date.now=()=>${noon}"`;
    const processes = [1, 2].map(() => startLlamaduct(['--config', file], { NODE_OPTIONS: clockAtNoon }));
    t.after(() => processes.forEach((one) => one.kill('SIGKILL')));
    const urls = await Promise.all(processes.map(async (one) => (await one.until(ready))[1] ?? ''));
    const statuses = await Promise.all(Array.from({ length: 60 }, (_, index) => statusAt(urls[index % 2] ?? '')));
    assert.equal(statuses.filter((status) => status === 200).length, 20);
    assert.equal(statuses.filter((status) => status === 429).length, 40);
    assert.equal(upstream.requests.length, 20);
    for (const url of urls) assert.equal(await statusAt(url), 429);
  });

  test("include the actual tokens of another instance's answer", async (t) => {
    clock(t);
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(counting(30, 120));
    const keys = [tester, keyOf('alice', { limits: { tokens_per_minute: 200 } })];
    await using here = await testGateway(upstream, { keys, valkey: { url: valkey.url } });
    await using there = await testGateway(upstream, { keys, valkey: { url: valkey.url } });
    assert.equal(await statusAt(here.url), 200);
    const client = new Redis(valkey.url);
    t.after(() => client.disconnect());
    const count = `llamaduct:limit:tokensPerMinute:key:alice:${noon - (noon % 60_000)}`;
    await until('the actual tokens to be counted', async () => (await client.get(count)) === '150');
    const refused = await there.fetch('/v1/chat/completions', posted(chat, 'alice'));
    assert.equal(refused.status, 429);
    assert.match(await refused.text(), /150 are used/);
  });

  /** Settings of a gateway whose Valkey is stopped and restarted on the same port. */
  const settings = (url: string, whenDown: 'open' | 'closed'): Record<string, unknown> => ({
    keys: [tester, keyOf('alice', { limits: { requests_per_minute: 4, concurrent: 50 } })],
    valkey: { url, when_down: whenDown },
  });
  const up = async (gateway: TestGateway): Promise<number> => await gateway.metric('llamaduct_limits_store_up');
  const unchecked = async (gateway: TestGateway, outcome: string): Promise<number> =>
    await gateway.metric(`llamaduct_limits_unchecked_total{outcome="${outcome}"}`);

  test('open: requests are admitted without counting while Valkey is down, and counted once it is back', async (t) => {
    clock(t);
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(counting(5, 5));
    await using gateway = await testGateway(upstream, settings(valkey.url, 'open'));
    assert.equal(await up(gateway), 1);
    for (const expected of [200, 200, 200, 200, 429]) assert.equal(await statusAt(gateway.url), expected);
    assert.equal(await up(gateway), 1);
    await valkey.kill();
    for (let request = 0; request < 6; request += 1) {
      const response = await gateway.fetch('/v1/chat/completions', posted(chat, 'alice'));
      assert.deepEqual([response.status, response.headers.get('x-ratelimit-limit-requests')], [200, null]);
      await response.text();
    }
    assert.deepEqual([await up(gateway), await unchecked(gateway, 'let_in')], [0, 6]);
    assert.ok(gateway.log.some(({ msg }) => String(msg).startsWith('limits store unavailable: ')));

    await using _ = await startValkey(Number(new URL(valkey.url).port));
    let before = 0;
    await until('a request that is counted', async () => {
      before = await unchecked(gateway, 'let_in');
      await statusAt(gateway.url);
      return (await unchecked(gateway, 'let_in')) === before;
    });
    assert.equal(await up(gateway), 1);
    // The restarted Valkey is empty and has counted one request by now.
    for (const expected of [200, 200, 200, 429]) assert.equal(await statusAt(gateway.url), expected);
    assert.equal(await unchecked(gateway, 'let_in'), before);
  });

  test('closed: requests are refused in the format of each API while Valkey is down', async (t) => {
    clock(t);
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(counting(5, 5));
    await using gateway = await testGateway(upstream, settings(valkey.url, 'closed'));
    assert.equal(await statusAt(gateway.url), 200);
    await valkey.kill();
    const message = 'Limits cannot be checked at the moment.';
    const bodies = {
      openai: { error: { message, type: 'server_error', param: null, code: 'store_unavailable' } },
      anthropic: { type: 'error', error: { type: 'overloaded_error', message } },
      ollama: { error: message },
    };
    for (const { path, dialect, body, streams } of endpoints) {
      for (const stream of streams ? [false, true] : [false]) {
        const response = await gateway.fetch(path, posted({ ...body, ...(stream && { stream }) }, 'alice'));
        // Anthropic's API has 529 instead of 503.
        assert.equal(response.status, dialect === 'anthropic' ? 529 : 503, path);
        assert.deepEqual(
          [response.headers.get('retry-after'), response.headers.get('x-should-retry')],
          ['5', 'true'],
          path,
        );
        assert.deepEqual(await response.json(), bodies[dialect], path);
      }
    }
    assert.equal(upstream.requests.length, 1);
    assert.equal((await gateway.chat()).status, 200, 'a key without limits needs no Valkey');
    const all = endpoints.reduce((sum, { streams }) => sum + (streams ? 2 : 1), 0);
    assert.deepEqual([await up(gateway), await unchecked(gateway, 'refused')], [0, all]);

    await using _ = await startValkey(Number(new URL(valkey.url).port));
    await until('the connection to Valkey', async () => (await statusAt(gateway.url)) === 200);
    assert.equal(await up(gateway), 1);
    for (const expected of [200, 200, 200, 429]) assert.equal(await statusAt(gateway.url), expected);
  });
});
