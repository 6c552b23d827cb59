import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type TestContext, suite, test } from 'node:test';
import { Redis } from 'iovalkey';
import { causeOf, reasonOf } from '../../src/store/causes.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { freePort } from '../helpers/free-port.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';
import { keyOf, posted, tester } from '../limits/limited.ts';

const chat = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] };

async function start(upstream: FakeUpstream, url: string, whenDown: 'open' | 'closed' = 'open'): Promise<TestGateway> {
  return await testGateway(upstream, {
    keys: [tester, keyOf('alice', { limits: { requests_per_minute: 10_000 } })],
    valkey: { url, when_down: whenDown },
  });
}

async function statusOf(gateway: TestGateway): Promise<number> {
  const response = await gateway.fetch('/v1/chat/completions', posted(chat, 'alice'));
  await response.text();
  return response.status;
}

async function isUp(gateway: TestGateway): Promise<boolean> {
  return (await gateway.metric('llamaduct_limits_store_up')) === 1;
}

/** The causes in the log, in order. */
function causes({ log }: TestGateway): unknown[] {
  return log.filter(({ msg }) => String(msg).startsWith('limits store unavailable')).map(({ cause }) => cause);
}

function recoveries({ log }: TestGateway): number {
  return log.filter(({ msg }) => msg === 'limits store available again').length;
}

async function client(t: TestContext, url: string): Promise<Redis> {
  const connection = new Redis(url);
  t.after(() => connection.disconnect());
  await connection.ping();
  return connection;
}

/** A server that replies to every command with one error, and says that it loads its data. */
async function loadingServer(): Promise<{ url: string; loaded(): void; [Symbol.asyncDispose](): Promise<void> }> {
  const sockets = new Set<Socket>();
  let loading = 1;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (bytes) => {
      for (const [, name = ''] of bytes.toString().matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g)) {
        const info = `loading:${loading}\r\n`;
        if (name.toLowerCase() === 'info') socket.write(`$${info.length}\r\n${info}\r\n`);
        else socket.write(loading === 1 ? '-LOADING Redis is loading the dataset in memory\r\n' : '+OK\r\n');
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loaded: () => {
      loading = 0;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

suite('a Valkey that fails', { skip: noValkey }, () => {
  test('is reported with its cause before a request comes when it is absent, and when it is there', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const port = await freePort();
    await using gateway = await start(upstream, `redis://127.0.0.1:${port}`);
    assert.equal(await isUp(gateway), false);
    assert.deepEqual(causes(gateway), ['ECONNREFUSED']);
    assert.match(String(gateway.log[0]?.['msg']), /connection refused; requests are served without checking limits/);
    await using _ = await startValkey(port);
    await until('the recovery', async () => await isUp(gateway));
    await until('its log line', () => recoveries(gateway) === 1);
    assert.equal(await statusOf(gateway), 200);
    assert.equal(await gateway.metric('llamaduct_limits_unchecked_total{outcome="let_in"}'), 0);
  });

  for (const [what, secret, cause] of [
    ['requires a password', '', 'NOAUTH'],
    ['refuses the password', ':a-wrong-password@', 'WRONGPASS'],
  ] as const) {
    test(`is reported with its cause when it ${what}`, async () => {
      await using valkey = await startValkey(undefined, { '--requirepass': 'the-right-password' });
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await start(upstream, valkey.url.replace('//', `//${secret}`), 'closed');
      assert.equal(await isUp(gateway), false);
      assert.deepEqual(causes(gateway), [cause]);
      assert.match(String(gateway.log[0]?.['msg']), /password; requests of keys with limits are refused$/);
      assert.equal(await statusOf(gateway), 503);
      assert.doesNotMatch(JSON.stringify(gateway.log), /a-wrong-password/);
    });
  }

  test('is reported when it has too many clients', async (t) => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    const admin = await client(t, valkey.url);
    await admin.config('SET', 'maxclients', '1');
    await using gateway = await start(upstream, valkey.url);
    assert.equal(await isUp(gateway), false);
    // It says so and closes the connection, of which llamaduct may notice either first.
    await until('the cause', () => causes(gateway).includes('MAXCLIENTS'));
    await admin.config('SET', 'maxclients', '100');
    await until('the recovery', async () => await isUp(gateway));
  });

  test('is reported while it loads its data', async () => {
    await using valkey = await loadingServer();
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await start(upstream, valkey.url);
    assert.deepEqual([await isUp(gateway), causes(gateway)], [false, ['LOADING']]);
    assert.equal(await statusOf(gateway), 200);
    valkey.loaded();
    await until('the recovery', async () => await isUp(gateway));
  });

  for (const [cause, fail, mend] of [
    ['OOM', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['READONLY', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
  ] as const) {
    test(`is reported with its cause when it refuses writes, and when it takes them again: ${cause}`, async (t) => {
      await using valkey = await startValkey();
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await start(upstream, valkey.url);
      assert.deepEqual([await statusOf(gateway), await isUp(gateway)], [200, true]);
      const admin = await client(t, valkey.url);
      const [failing, ...failingArgs] = fail;
      await admin.call(failing, ...failingArgs);
      for (let request = 0; request < 5; request += 1) assert.equal(await statusOf(gateway), 200);
      assert.deepEqual([await isUp(gateway), causes(gateway)], [false, [cause]]);
      const [mending, ...mendingArgs] = mend;
      await admin.call(mending, ...mendingArgs);
      await until('the recovery', async () => await isUp(gateway));
      await until('its log line', () => recoveries(gateway) === 1);
    });
  }

  test('delays only one request when it is frozen, and counts again when it is back', async () => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await start(upstream, valkey.url);
    assert.equal(await statusOf(gateway), 200);
    valkey.freeze();
    assert.equal(await statusOf(gateway), 200);
    const began = performance.now();
    for (let request = 0; request < 20; request += 1) assert.equal(await statusOf(gateway), 200);
    assert.ok(performance.now() - began < 10_000, 'every request waits for the frozen server');
    assert.deepEqual([await isUp(gateway), causes(gateway)], [false, ['ETIMEDOUT']]);
    valkey.thaw();
    await until('the recovery', async () => await isUp(gateway));
    const unchecked = await gateway.metric('llamaduct_limits_unchecked_total{outcome="let_in"}');
    assert.equal(await statusOf(gateway), 200);
    assert.equal(await gateway.metric('llamaduct_limits_unchecked_total{outcome="let_in"}'), unchecked);
  });

  test('is noticed without a request when it is frozen', async () => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await start(upstream, valkey.url);
    valkey.freeze();
    await until('the probe', async () => !(await isUp(gateway)), 15_000);
    assert.deepEqual(causes(gateway), ['ETIMEDOUT']);
  });

  test('does not hold up the start when it is frozen', async () => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    valkey.freeze();
    await using gateway = await start(upstream, valkey.url, 'closed');
    assert.deepEqual([await isUp(gateway), causes(gateway)], [false, ['ETIMEDOUT']]);
    assert.equal(await statusOf(gateway), 503);
  });

  test('costs stored responses one wait when it is frozen', async () => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await start(upstream, valkey.url);
    const ask = async (body: object): Promise<Response> =>
      await gateway.fetch('/v1/responses', posted({ model: 'scripted-plain', input: 'hi', ...body }, 'alice'));
    const first = await ask({});
    const { id } = (await first.json()) as { id: string };
    valkey.freeze();
    const began = performance.now();
    for (let request = 0; request < 10; request += 1) {
      const continued = await ask({ previous_response_id: id });
      await continued.text();
      const read = await gateway.fetch(`/v1/responses/${id}`, { headers: { authorization: 'Bearer alice' } });
      await read.text();
      const independent = await ask({});
      await independent.text();
      assert.deepEqual([continued.status, read.status, independent.status], [503, 503, 200]);
    }
    assert.ok(performance.now() - began < 10_000, 'every request waits for the frozen server');
    valkey.thaw();
    await until('the recovery', async () => await isUp(gateway));
    const continued = await ask({ previous_response_id: id });
    await continued.text();
    assert.equal(continued.status, 200);
  });
});

suite('the cause of a failure', () => {
  for (const [message, cause] of [
    ["OOM command not allowed when used memory > 'maxmemory'. script: 3a, on @user_script:12.", 'OOM'],
    ['ERR Error running script (call to f_3a): @user_script:14: @user_script: 14: -OOM command not allowed', 'OOM'],
    ["READONLY You can't write against a read only replica.", 'READONLY'],
    ['MISCONF Redis is configured to save RDB snapshots, but', 'MISCONF'],
    ['ERR max number of clients reached', 'MAXCLIENTS'],
    ['ERR invalid password', 'WRONGPASS'],
    ["NOPERM User alice has no permissions to run the 'eval' command", 'NOPERM'],
    ["ERR The user executing the script can't run this command or subcommand", 'NOPERM'],
    ['Command timed out', 'ETIMEDOUT'],
    ["Socket timeout. Expecting data, but didn't receive any in 2000ms.", 'ETIMEDOUT'],
    ["Stream isn't writeable and enableOfflineQueue options is false", 'CONNECTION_CLOSED'],
    ['Connection is closed.', 'CONNECTION_CLOSED'],
  ] as const) {
    test(`is found in: ${message}`, () => {
      assert.equal(causeOf(new Error(message)), cause);
      assert.notEqual(reasonOf(cause), 'unexpected error');
    });
  }
});
