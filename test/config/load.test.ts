import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readEnvironment } from '../../src/config/env.ts';
import { loadConfig, withNewKey } from '../../src/config/load.ts';
import { hashSecret } from '../../src/config/secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-load-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function fileOf(text: string): string {
  files += 1;
  const file = join(folder, `${files}.yaml`);
  writeFileSync(file, text);
  return file;
}

const secret = 'a-ready-made-secret';
const hash = `sha256:${'0'.repeat(64)}`;

test('loadConfig without any input: loopback, the default upstream as implicit, no keys', async () => {
  const { config, file, upstreamIsImplicit, listenIsExplicit } = await loadConfig({}, {});
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 11435 });
  assert.deepEqual(config.upstreams[0], { name: 'ollama', kind: 'ollama', url: 'http://127.0.0.1:11434' });
  assert.deepEqual(config.keys, []);
  assert.equal(config.access, 'keys');
  assert.deepEqual([file, upstreamIsImplicit, listenIsExplicit], [undefined, true, false]);
});

test('flags override the environment, which overrides the file, which overrides the defaults', async () => {
  const file = fileOf(
    `access: open\nlisten: file:1\nupstreams: [{name: gpu, url: "http://file:1"}]\nmetrics: {token: "${hash}"}`,
  );
  const flags = { config: file, listen: 'flag:3', upstream: 'http://flag:3' };
  const environment = {
    LLAMADUCT_CONFIG: file,
    LLAMADUCT_LISTEN: 'env:2',
    LLAMADUCT_UPSTREAM: 'http://env:2',
    LLAMADUCT_METRICS_TOKEN: secret,
    OLLAMA_HOST: 'never:9',
  };

  const fromFile = await loadConfig({ config: file }, { OLLAMA_HOST: 'never:9' });
  assert.deepEqual(fromFile.config.listen, { host: 'file', port: 1 });
  assert.deepEqual(fromFile.config.upstreams[0], { name: 'gpu', kind: 'ollama', url: 'http://file:1' });
  assert.equal(fromFile.config.metrics.token, hash);
  assert.deepEqual([fromFile.file, fromFile.upstreamIsImplicit, fromFile.listenIsExplicit], [file, false, false]);

  const fromEnvironment = await loadConfig({}, environment);
  assert.deepEqual(fromEnvironment.config.listen, { host: 'env', port: 2 });
  assert.equal(fromEnvironment.config.upstreams[0].url, 'http://env:2');
  assert.equal(fromEnvironment.config.metrics.token, hashSecret(secret));
  assert.deepEqual([fromEnvironment.file, fromEnvironment.listenIsExplicit], [file, true]);

  const fromFlags = await loadConfig(
    { ...flags, config: fileOf('access: open') },
    { ...environment, LLAMADUCT_CONFIG: '/nowhere' },
  );
  assert.deepEqual(fromFlags.config.listen, { host: 'flag', port: 3 });
  assert.equal(fromFlags.config.upstreams[0].url, 'http://flag:3');
});

test('OLLAMA_HOST is the upstream of a file without upstreams, and is not implicit then', async () => {
  const { config, upstreamIsImplicit } = await loadConfig({ config: fileOf('access: open') }, { OLLAMA_HOST: 'gpu' });
  assert.equal(config.upstreams[0].url, 'http://gpu:11434');
  assert.equal(upstreamIsImplicit, false);
});

test('an upstream address that ends in /v1 is an OpenAI API', async () => {
  const { config } = await loadConfig({ upstream: 'http://vllm:8000/v1/' }, {});
  assert.deepEqual(config.upstreams[0], { name: 'openai', kind: 'openai', url: 'http://vllm:8000/v1' });
});

test("an upstream's API key is read from the variable in key_env, which must be set", async () => {
  const file = fileOf(
    'access: open\nupstreams: [{name: cloud, kind: openai, url: "https://cloud/v1", key_env: CLOUD_KEY}]',
  );
  const { config } = await loadConfig({ config: file }, {}, (name) => `value-of-${name}`);
  assert.deepEqual(config.upstreams[0], {
    name: 'cloud',
    kind: 'openai',
    url: 'https://cloud/v1',
    key: 'value-of-CLOUD_KEY',
  });
  await assert.rejects(
    loadConfig({ config: file }, {}, () => undefined),
    /key_env: the environment variable CLOUD_KEY is not set/,
  );
  await assert.rejects(
    loadConfig({ config: file }, {}, () => 'two words'),
    /CLOUD_KEY: expected printable ASCII characters without spaces/,
  );
});

test('OLLAMA_HOST alone is an implicit upstream, --upstream and LLAMADUCT_UPSTREAM are not', async () => {
  assert.equal((await loadConfig({}, { OLLAMA_HOST: 'gpu' })).upstreamIsImplicit, true);
  assert.equal((await loadConfig({}, { LLAMADUCT_UPSTREAM: 'gpu' })).upstreamIsImplicit, false);
  assert.equal((await loadConfig({ upstream: 'gpu' }, {})).upstreamIsImplicit, false);
});

test('an upstream with the path of a request is refused, with the name of the flag or variable', async () => {
  await assert.rejects(
    loadConfig({}, { OLLAMA_HOST: 'http://gpu:11434/api' }),
    /^ConfigError: OLLAMA_HOST: .* without \/api/,
  );
  await assert.rejects(
    loadConfig({ upstream: 'http://gpu:8000/v1/chat/completions' }, {}),
    /^ConfigError: --upstream: .* without \/v1/,
  );
  assert.equal((await loadConfig({ upstream: 'http://gpu:8000/v1' }, {})).config.upstreams[0].kind, 'openai');
});

test('the flag or variable that replaces the upstreams of the file is reported', async () => {
  const file = fileOf('access: open\nupstreams: [{url: "http://gpu1"}]');
  const replacedBy = async (...parameters: Parameters<typeof loadConfig>): Promise<unknown> =>
    (await loadConfig(...parameters)).upstreamsReplacedBy;
  assert.equal(await replacedBy({ config: file }, {}), undefined);
  assert.equal(await replacedBy({ config: file }, { LLAMADUCT_UPSTREAM: 'gpu' }), 'LLAMADUCT_UPSTREAM');
  assert.equal(await replacedBy({ config: file, upstream: 'gpu' }, { LLAMADUCT_UPSTREAM: 'gpu' }), '--upstream');
  assert.equal(await replacedBy({ config: fileOf('access: open'), upstream: 'gpu' }, {}), undefined);
});

test('an invalid OLLAMA_HOST is ignored when an upstream is set', async () => {
  await assert.rejects(loadConfig({}, { OLLAMA_HOST: 'a b' }), /^ConfigError: OLLAMA_HOST: /);
  assert.equal(
    (await loadConfig({ upstream: 'gpu' }, { OLLAMA_HOST: 'a b' })).config.upstreams[0].url,
    'http://gpu:11434',
  );
});

test('LLAMADUCT_KEY becomes a key named env with every scope, stored as a hash', async () => {
  const { config } = await loadConfig(
    { config: fileOf(`keys: [{name: a, hash: "${hash}"}]`) },
    { LLAMADUCT_KEY: secret },
  );
  assert.deepEqual(
    config.keys.map(({ name }) => name),
    ['a', 'env'],
  );
  assert.deepEqual(config.keys[1], {
    name: 'env',
    hash: hashSecret(secret),
    scopes: ['inference', 'admin', 'metrics'],
  });
  assert.ok(!JSON.stringify(config).includes(secret));
});

for (const name of ['LLAMADUCT_KEY', 'LLAMADUCT_METRICS_TOKEN'] as const) {
  for (const bad of ['fifteen-charact', 'sixteen characters']) {
    test(`an invalid ${name} is rejected and not repeated in the message: ${bad}`, async () => {
      const message = `${name}: expected at least 16 characters and no white space`;
      await assert.rejects(loadConfig({}, { [name]: bad }), { name: 'ConfigError', message });
    });
  }
}

test('the error for an invalid address names the flag or variable', async () => {
  await assert.rejects(loadConfig({ listen: 'x' }, {}), /^ConfigError: --listen: expected HOST:PORT/);
  await assert.rejects(loadConfig({}, { LLAMADUCT_LISTEN: 'x' }), /^ConfigError: LLAMADUCT_LISTEN: expected HOST:PORT/);
  await assert.rejects(loadConfig({ upstream: 'ftp://x' }, {}), /^ConfigError: --upstream: expected HOST/);
});

test('a file without keys is rejected with a message that names three remedies', async () => {
  const file = fileOf('log_level: warn');
  await assert.rejects(loadConfig({ config: file }, {}), (error: Error) => {
    for (const part of [file, 'llamaduct keys new', 'LLAMADUCT_KEY', 'access: open'])
      assert.ok(error.message.includes(part), part);
    return error.name === 'ConfigError';
  });
  await loadConfig({ config: file }, { LLAMADUCT_KEY: secret });
  await loadConfig({ config: fileOf('access: open') }, {});
});

test('the configuration is deeply frozen', async () => {
  const { config } = await loadConfig({ config: fileOf(`keys: [{name: a, hash: "${hash}"}]`) }, {});
  for (const part of [
    config,
    config.listen,
    config.upstreams[0],
    config.keys,
    config.keys[0],
    config.keys[0]?.scopes,
    config.limits,
    config.metrics,
  ]) {
    assert.ok(Object.isFrozen(part), JSON.stringify(part));
  }
});

test('withNewKey returns a copy with the new key', async () => {
  const { config } = await loadConfig({}, {});
  const added = withNewKey(config, 'local', ['inference']);
  assert.equal(config.keys.length, 0);
  assert.deepEqual(added.config.keys, [{ name: 'local', hash: hashSecret(added.secret), scopes: ['inference'] }]);
});

test('readEnvironment ignores empty variables and variables that are not its own', () => {
  assert.deepEqual(readEnvironment({ LLAMADUCT_KEY: ' ', LLAMADUCT_LISTEN: '', OLLAMA_HOST: ' gpu ', HOME: '/x' }), {
    OLLAMA_HOST: 'gpu',
  });
});

test('limits.bodies_total must be at least twice limits.body', async () => {
  await assert.rejects(
    loadConfig({ config: fileOf('access: open\nlimits: { body: 40MiB }') }, {}),
    /limits\.bodies_total must be at least twice limits\.body/,
  );
  const { config } = await loadConfig({ config: fileOf('access: open\nlimits: { body: 32MiB }') }, {});
  assert.equal(config.limits.bodies_total, 2 * config.limits.body);
});

test('web_search has its defaults, and the API key of the variable that it names', async () => {
  const file = fileOf(
    'access: open\nweb_search: {url: "http://10.0.0.1:8080", kind: searxng, key_env: SEARCH_KEY, timeout: 3s}',
  );
  const read = (value?: string): ReturnType<typeof loadConfig> =>
    loadConfig({ config: file }, {}, (name) => (name === 'SEARCH_KEY' ? value : undefined));
  const { config } = await read('secret-1');
  assert.deepEqual(config.web_search, {
    url: 'http://10.0.0.1:8080',
    kind: 'searxng',
    key_env: 'SEARCH_KEY',
    key: 'secret-1',
    results: 5,
    timeout: 3_000,
    uses: 5,
  });
  await assert.rejects(read(), /web_search\.key_env: the environment variable SEARCH_KEY is not set/);
});

for (const [fault, setting] of [
  ['without an address', '{kind: searxng}'],
  ['without a kind', '{url: "http://a"}'],
  ['of another kind', '{url: "http://a", kind: google}'],
  ['with a password in its address', '{url: "http://a:b@c", kind: searxng}'],
  ['with a query in its address', '{url: "http://a/search?q=x", kind: searxng}'],
  ['with an address of another protocol', '{url: "file:///a", kind: searxng}'],
  ['with too many searches', '{url: "http://a", kind: searxng, uses: 51}'],
] as const) {
  test(`web_search ${fault} is an error`, async () => {
    await assert.rejects(loadConfig({ config: fileOf(`access: open\nweb_search: ${setting}`) }, {}), /web_search/);
  });
}
