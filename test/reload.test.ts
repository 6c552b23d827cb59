import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, suite, test } from 'node:test';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { loadConfig } from '../src/config/load.ts';
import { type Config, configSchema } from '../src/config/schema.ts';
import { hashSecret } from '../src/config/secret.ts';
import { type TestGateway, secret, testGateway, ending } from './helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from './helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from './helpers/upstream.ts';
import { until } from './helpers/wait.ts';

type Settings = Record<string, unknown>;

const tester = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };
const alice = { name: 'alice', hash: hashSecret('the-secret-of-alice') };
const asAlice = { headers: { authorization: 'Bearer the-secret-of-alice' } };

/** Builds the configuration of a file with these settings. It always contains the key of the tests. */
function configOf(upstream: Pick<FakeUpstream, 'url'>, { keys = [], ...settings }: Settings = {}): Config {
  const input = { retries: { attempts: 1 }, listen: '127.0.0.1:0', keys: [tester, ...(keys as object[])], ...settings };
  const { upstreams: _, ...file } = configSchema.parse(input);
  return { ...file, upstreams: [{ name: 'ollama', kind: 'ollama', url: upstream.url }] };
}

interface ReloadableService extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly gateway: TestGateway;
  reload(settings?: Settings): Promise<void>;
  /** @returns the status of a chat request */
  chat(body?: object, init?: RequestInit): Promise<number>;
}

async function startReloadable({ keys = [], ...settings }: Settings = {}): Promise<ReloadableService> {
  const upstream = await fakeUpstream(plainAnswer());
  const gateway = await testGateway(upstream, { keys: [tester, ...(keys as object[])], ...settings });
  return {
    upstream,
    gateway,
    reload: async (next) => await gateway.reload(async () => await Promise.resolve(configOf(upstream, next))),
    async chat(body, init) {
      const response = await gateway.chat(body, init);
      await response.text();
      return response.status;
    },
    ...ending(gateway, upstream),
  };
}

async function codeOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { error: { code: unknown } }).error.code;
}

function lastLine({ log }: TestGateway, message: string): Record<string, unknown> | undefined {
  return log.findLast(({ msg }) => msg === message);
}

const success = 'llamaduct_config_last_reload_success';

suite('a reload applies', () => {
  test('a new key and the removal of a key', async () => {
    await using service = await startReloadable();
    assert.equal(await service.chat({}, asAlice), 401);
    await service.reload({ keys: [alice] });
    assert.equal(await service.chat({}, asAlice), 200);
    await service.reload({});
    assert.equal(await service.chat({}, asAlice), 401);
    assert.equal(await service.chat(), 200);
  });

  test('a new secret, with the previous one valid until `retiring.until`', async () => {
    await using service = await startReloadable({ keys: [alice] });
    const asNew = { headers: { authorization: 'Bearer the-new-secret-of-alice' } };
    const retiring = (seconds: number): object => ({
      ...alice,
      hash: hashSecret('the-new-secret-of-alice'),
      retiring: { hash: alice.hash, until: new Date(Date.now() + seconds * 1000).toISOString() },
    });
    await service.reload({ keys: [retiring(60)] });
    assert.deepEqual([await service.chat({}, asAlice), await service.chat({}, asNew)], [200, 200]);
    await service.reload({ keys: [retiring(-1)] });
    assert.deepEqual([await service.chat({}, asAlice), await service.chat({}, asNew)], [401, 200]);
  });

  test('scopes, models and expiry of a key', async () => {
    await using service = await startReloadable({ keys: [alice] });
    assert.equal((await service.gateway.fetch('/metrics', asAlice)).status, 403);
    await service.reload({ keys: [{ ...alice, scopes: ['inference', 'metrics'], models: ['other*'] }] });
    assert.equal((await service.gateway.fetch('/metrics', asAlice)).status, 200);
    assert.equal(await service.chat({}, asAlice), 403);
    assert.equal(await service.chat({ model: 'other' }, asAlice), 200);
    await service.reload({ keys: [{ ...alice, expires: '2020-01-01' }] });
    assert.equal(await service.chat({}, asAlice), 401);
  });

  test('groups and their limits, without resetting counters', async () => {
    await using service = await startReloadable({ keys: [alice] });
    const keys = [{ ...alice, group: 'lab' }];
    await service.reload({
      keys,
      groups: { lab: { limits: { max_tokens: 7, requests_per_minute: 2 }, models: ['s*'] } },
    });
    const first = await service.gateway.chat({}, asAlice);
    await first.text();
    assert.equal(first.headers.get('x-ratelimit-limit-requests'), '2');
    const { options } = JSON.parse(service.upstream.requests.at(-1)?.body ?? '') as {
      options: { num_predict: number };
    };
    assert.equal(options.num_predict, 7);
    assert.equal(await service.chat({ model: 'other' }, asAlice), 403);
    assert.equal(await service.chat({}, asAlice), 200);
    const refused = await service.gateway.chat({}, asAlice);
    assert.equal(refused.status, 429);
    assert.equal(await codeOf(refused), 'rate_limit_exceeded');
    // The requests of the current minute still count.
    await service.reload({ keys, groups: { lab: { limits: { requests_per_minute: 3 } } } });
    assert.deepEqual([await service.chat({}, asAlice), await service.chat({}, asAlice)], [200, 429]);
    await service.reload({ keys: [alice] });
    assert.equal(await service.chat({}, asAlice), 200);
  });

  test('aliases, the default model and model rules', async () => {
    await using service = await startReloadable();
    await service.reload({
      aliases: { 'gpt-4o': 'scripted-plain' },
      default_model: 'scripted-plain:latest',
      models: [{ match: 'scripted*', options: { seed: 11 } }],
    });
    for (const [model, expected] of [
      ['gpt-4o', 'scripted-plain'],
      ['', 'scripted-plain:latest'],
    ]) {
      assert.equal(await service.chat({ model }), 200);
      const sent = JSON.parse(service.upstream.requests.at(-1)?.body ?? '') as {
        model: string;
        options: { seed: number };
      };
      assert.deepEqual([sent.model, sent.options.seed], [expected, 11]);
    }
    const { data } = (await (await service.gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['scripted-plain:latest', 'gpt-4o'],
    );
    await service.reload();
    assert.equal(await service.chat({ model: '' }), 400);
    assert.equal(await service.chat({ model: 'gpt-4o' }), 200);
    const sent = JSON.parse(service.upstream.requests.at(-1)?.body ?? '') as { model: string; options?: object };
    assert.deepEqual([sent.model, sent.options], ['gpt-4o', undefined]);
  });

  test('the metrics token and open access', async () => {
    await using service = await startReloadable();
    const scrape = { headers: { authorization: 'Bearer a-token-to-scrape-with' } };
    const nobody = { headers: { authorization: '' } };
    assert.equal((await service.gateway.fetch('/metrics', scrape)).status, 401);
    await service.reload({ metrics: { token: hashSecret('a-token-to-scrape-with') } });
    assert.equal((await service.gateway.fetch('/metrics', scrape)).status, 200);
    assert.equal(await service.chat({}, nobody), 401);
    await service.reload({ access: 'open' });
    assert.equal(await service.chat({}, nobody), 200);
    await service.reload();
    assert.equal(await service.chat({}, nobody), 401);
  });
});

test('a reload that removes a key does not interrupt its running stream', async () => {
  const reloaded = Promise.withResolvers<void>();
  await using upstream = await fakeUpstream(async (res) => {
    ndjson(res).write(chatLine('Hello'));
    await reloaded.promise;
    res.write(chatLine(' again'));
    res.end(doneLine());
  });
  await using gateway = await testGateway(upstream, { keys: [tester, alice] });
  const response = await gateway.chat({ stream: true }, asAlice);
  assert.equal(response.status, 200);
  await gateway.reload(async () => await Promise.resolve(configOf(upstream)));
  assert.equal((await gateway.chat({}, asAlice)).status, 401);
  reloaded.resolve();
  assert.match(await response.text(), /Hello[^]*again[^]*data: \[DONE\]\n\n$/);
  await until('its end', () => gateway.log.some(({ key, outcome }) => key === 'alice' && outcome === 'ok'));
});

/** Starts a gateway that reloads a file, like `serve`. */
async function fromFile(t: TestContext): Promise<{ gateway: TestGateway; write: (text: string) => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-reload-'));
  const file = join(folder, 'llamaduct.yaml');
  const upstream = await fakeUpstream(plainAnswer());
  const gateway = await testGateway(upstream);
  t.after(async () => {
    await gateway.close();
    await upstream[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const load = async (): Promise<Config> =>
    (await loadConfig({ config: file }, { OLLAMA_HOST: upstream.url }, () => undefined)).config;
  return {
    gateway,
    write: async (text) => {
      writeFileSync(file, text);
      await gateway.reload(load);
    },
  };
}

const keyLines = `keys:\n  - {name: tester, hash: "${tester.hash}", scopes: [inference, metrics]}\n`;

test('an invalid file changes nothing, and its errors are logged without secrets', async (t) => {
  const { gateway, write } = await fromFile(t);
  assert.equal(await gateway.metric(success), 1);
  const since = await gateway.metric(`${success}_timestamp_seconds`);
  const invalid: readonly [text: string, message: RegExp][] = [
    [`access: open\nlistne: x\n${keyLines}`, /:2:1: listne: unknown setting; did you mean listen\?$/],
    [`access: open\nkeys: [{name: a, hash: my-top-secret}]\n`, /:2:\d+: keys\[0\]\.hash: expected sha256/],
    [`access: open\nvalkey: {url: "http://me:my-top-secret@host"}\n`, /valkey\.url: expected a URL/],
    [`access: open\nupstreams: [{url: "ftp://me:my-top-secret@host"}]\n`, /upstreams\[0\]\.url: expected a URL/],
    [
      `access: open\njwt: {issuer: https://a, audience: b, jwks_url: "https://me:my-top-secret@c/"}\n`,
      /without user name and password/,
    ],
    [`access: open\nkeys: [{name: a, group: lab, hash: "${alice.hash}"}]\n`, /keys\[0\]\.group: unknown group "lab"/],
    ['access: open\n  - my-top-secret: [\n', /:\d+:\d+: /],
    ['{}\n', /defines no keys, so every request would be rejected/],
  ];
  for (const [text, message] of invalid) {
    await write(text);
    const { level, faults } = lastLine(gateway, 'configuration not reloaded') ?? {};
    assert.equal(level, 'error', text);
    assert.match((faults as string[]).join('\n'), message);
    assert.doesNotMatch(JSON.stringify(gateway.log), /my-top-secret/);
    assert.equal(await gateway.metric(success), 0);
    assert.equal((await gateway.fetch('/v1/models', { headers: { authorization: '' } })).status, 401);
  }
  assert.equal(await gateway.metric(`${success}_timestamp_seconds`), since);
  await write(`access: open\n${keyLines}`);
  assert.equal(await gateway.metric(success), 1);
  assert.ok((await gateway.metric(`${success}_timestamp_seconds`)) > since);
  assert.equal((await gateway.fetch('/v1/models', { headers: { authorization: '' } })).status, 200);
});

test('after any failed reload, the next one is applied', async () => {
  await using service = await startReloadable();
  const failing: readonly (() => Promise<Config>)[] = [
    async () => await Promise.reject(new Error('contains my-top-secret')),
    // Cannot be applied, which would be a bug, but must not end the service.
    async () => await Promise.resolve({ ...configOf(service.upstream), keys: undefined as unknown as Config['keys'] }),
  ];
  for (const load of failing) {
    await service.gateway.reload(load);
    assert.deepEqual(lastLine(service.gateway, 'configuration not reloaded')?.['faults'], [
      'unexpected error; it is not logged, because it could contain a secret',
    ]);
    assert.equal(await service.gateway.metric(success), 0);
    assert.equal(await service.chat(), 200);
  }
  assert.doesNotMatch(JSON.stringify(service.gateway.log), /my-top-secret/);
  await service.reload({ keys: [alice] });
  assert.equal(await service.chat({}, asAlice), 200);
  assert.equal(await service.gateway.metric(success), 1);
});

test('a reload logs exactly the changed settings that need a restart', async () => {
  await using service = await startReloadable({ responses: { entries: 5 }, valkey: undefined });
  const needsRestart = async (settings: Settings): Promise<unknown> => {
    await service.reload({ responses: { entries: 5 }, ...settings });
    return lastLine(service.gateway, 'configuration reloaded')?.['needs_restart'];
  };
  assert.equal(await needsRestart({}), undefined);
  const reloadable = {
    keys: [{ ...alice, group: 'lab' }],
    groups: { lab: {} },
    aliases: { a: 'b' },
    default_model: 'b',
    models: [{ match: 'b' }],
    metrics: { token: alice.hash },
    access: 'open',
    jwt: { issuer: 'https://a.test', audience: 'b', jwks_url: 'https://a.test/keys' },
  };
  assert.equal(await needsRestart(reloadable), undefined);
  const others = {
    timeouts: { idle: '7s' },
    strict: true,
    responses: {},
    usage: { retention: '3d' },
    log_level: 'debug',
  };
  assert.equal(await needsRestart(others), undefined);
  assert.deepEqual(await needsRestart({ ...others, listen: '127.0.0.1:1' }), ['listen']);
  assert.deepEqual(await needsRestart({ listen: 'unix:/run/a.sock', socket_mode: '0600' }), ['listen']);
  assert.equal(await needsRestart({ socket_mode: '0600' }), undefined);
  assert.deepEqual(await needsRestart({ metrics: { listen: '127.0.0.1:0' } }), ['metrics.listen']);
  assert.deepEqual(await needsRestart({ usage: { file: 'usage.db' } }), ['usage.file']);
  assert.deepEqual(await needsRestart({ valkey: { url: 'redis://127.0.0.1:1' } }), ['valkey']);
  assert.deepEqual(await needsRestart({ tls: { cert: 'a', key: 'b' } }), ['tls']);
  assert.equal(await needsRestart({}), undefined);
});

test('a reload logs `metrics.listen` that is now absent as a setting that needs a restart, and what has changed', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream, { keys: [tester], metrics: { listen: '127.0.0.1:0' } });
  await gateway.reload(async () => await Promise.resolve(configOf(upstream, { strict: true })));
  const { changed, needs_restart: needsRestart } = lastLine(gateway, 'configuration reloaded') ?? {};
  assert.deepEqual([changed, needsRestart], [['strict', 'metrics'], ['metrics.listen']]);
});

test('concurrent reloads are applied in order', async () => {
  await using service = await startReloadable();
  const slow = Promise.withResolvers<Config>();
  const order: string[] = [];
  const first = service.gateway.reload(async () => {
    order.push('first');
    return await slow.promise;
  });
  const second = service.gateway.reload(async () => {
    order.push('second');
    return await Promise.resolve(configOf(service.upstream, { keys: [alice] }));
  });
  await until('the first to be loaded', () => order.length > 0);
  assert.equal(await service.chat({}, asAlice), 401);
  assert.deepEqual(order, ['first']);
  slow.resolve(configOf(service.upstream));
  await Promise.all([first, second]);
  assert.deepEqual(order, ['first', 'second']);
  assert.equal(await service.chat({}, asAlice), 200);
});

test('a reload keeps the keys of an unchanged identity provider and replaces a changed one at once', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  await using provider = await fakeUpstream(async (res) => {
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }));
  });
  const jwt = { issuer: 'https://login.test', audience: 'llamaduct', jwks_url: `${provider.url}/keys` };
  const token = async (name: string): Promise<RequestInit> => {
    const signed = new SignJWT({ groups: ['lab'] }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).setSubject(name);
    const { issuer, audience } = jwt;
    const text = await signed.setIssuer(issuer).setAudience(audience).setExpirationTime('1h').sign(privateKey);
    return { headers: { authorization: `Bearer ${text}` } };
  };
  const [bob, carol] = await Promise.all([token('bob'), token('carol')]);
  await using service = await startReloadable({ jwt });
  assert.equal(await service.chat({}, bob), 200);
  await provider[Symbol.asyncDispose]();
  await service.reload({ jwt, keys: [alice] });
  assert.deepEqual([await service.chat({}, bob), await service.chat({}, carol)], [200, 200]);
  assert.equal(provider.requests.length, 1);
  await service.reload({ jwt: { ...jwt, audience: 'other' } });
  assert.equal(await service.chat({}, bob), 503);
  await service.reload();
  assert.equal(await service.chat({}, bob), 401);
});
