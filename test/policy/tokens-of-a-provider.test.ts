import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, suite, test } from 'node:test';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { json, resetting } from '../helpers/answers.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { clock, counting, endpoints, noon, posted, tester } from '../limits/limited.ts';

const issuer = 'https://login.example.org/';
const chat = { model: 'llama3:8b', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 };
const hour = 3600;

interface Provider extends AsyncDisposable {
  readonly url: string;
  /** Number of requests for its keys. */
  readonly fetches: number;
  /** False: it closes connections without an answer. */
  up: boolean;
  /** Signs a token. @param claims override the default claims */
  token(claims?: object): Promise<string>;
}

/** An identity provider on a real socket. */
async function provider(): Promise<Provider> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  const server = await fakeUpstream((res, request) => {
    return (self.up ? json(200, { keys: [jwk] }) : resetting)(res, request);
  });
  const self: Provider = {
    url: `${server.url}/keys`,
    get fetches() {
      return server.requests.length;
    },
    up: true,
    async token(claims = {}) {
      const payload = { iss: issuer, aud: 'llamaduct', sub: 'alice', exp: noon / 1000 + hour, ...claims };
      return await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
  return self;
}

const groups = {
  lab: { limits: { requests_per_minute: 2, max_tokens: 20 }, models: ['llama3:*'] },
  guests: { limits: { requests_per_minute: 1 }, shared: { tokens_per_minute: 10_000 } },
};

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Headers;
}

interface Running extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly upstream: FakeUpstream;
  readonly identity: Provider;
  readonly ask: (token: string, body?: object, path?: string) => Promise<Answer>;
}

async function start(context: TestContext, settings: object = {}, jwt: object = {}): Promise<Running> {
  clock(context);
  const identity = await provider();
  const upstream = await fakeUpstream(counting(5, 5), ['llama3:8b', 'qwen3:latest']);
  const gateway = await testGateway(upstream, {
    keys: [tester],
    groups,
    jwt: { issuer, audience: 'llamaduct', jwks_url: identity.url, group_claim: 'groups', ...jwt },
    ...settings,
  });
  return {
    gateway,
    upstream,
    identity,
    async ask(token, body = {}, path = '/v1/chat/completions') {
      const response = await gateway.fetch(path, posted({ ...chat, ...body }, token));
      return { status: response.status, body: await response.json(), headers: response.headers };
    },
    async [Symbol.asyncDispose]() {
      for (const part of [gateway, upstream, identity]) await part[Symbol.asyncDispose]();
    },
  };
}

suite('tokens of an identity provider', () => {
  test('authenticate their user, with the limits and models of the group that they name', async (t) => {
    await using running = await start(t);
    const { gateway, identity, ask } = running;
    const token = await identity.token({ groups: ['staff', 'lab'] });
    const first = await ask(token);
    assert.deepEqual([first.status, first.headers.get('x-ratelimit-limit-requests')], [200, '2']);
    const sent = JSON.parse(running.upstream.requests.at(-1)?.body ?? '') as { options: object };
    assert.deepEqual(sent.options, { num_predict: 20 });
    assert.equal((await ask(token, { model: 'qwen3' })).status, 403);
    const list = await gateway.fetch('/v1/models', { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual(
      ((await list.json()) as { data: { id: string }[] }).data.map(({ id }) => id),
      ['llama3:8b'],
    );
    assert.equal((await ask(token)).status, 200);
    // Another token of the same user shares their limits.
    assert.equal((await ask(await identity.token({ groups: 'lab', jti: 'another' }))).status, 429);
    assert.equal((await ask(await identity.token({ groups: 'lab', sub: 'bob' }))).status, 200);
    assert.equal(identity.fetches, 1);
  });

  test('are accepted in every form in which clients send a key, on every endpoint', async (t) => {
    await using running = await start(t);
    const token = await running.identity.token();
    for (const { path, body } of endpoints) {
      // The fake upstream answers this endpoint by itself.
      if (path === '/api/embeddings') continue;
      assert.equal((await running.ask(token, { ...body, stream: false, model: 'llama3:8b' }, path)).status, 200, path);
    }
    for (const headers of [
      { 'x-api-key': token },
      { authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')}` },
    ]) {
      const response = await fetch(`${running.gateway.url}/api/tags`, { headers });
      assert.equal(response.status, 200);
    }
  });

  test('without a configured group belong to the default group', async (t) => {
    await using running = await start(t, {}, { default_group: 'guests' });
    for (const [index, claims] of [{}, { groups: 'staff' }, { groups: ['__proto__', 7] }].entries()) {
      const token = await running.identity.token({ sub: `guest-${index}`, ...claims });
      const { status, headers } = await running.ask(token);
      assert.deepEqual([status, headers.get('x-ratelimit-limit-requests')], [200, '1']);
      assert.equal(headers.get('x-ratelimit-limit-tokens'), '10000');
      assert.equal((await running.ask(token)).status, 429);
    }
    const refused = 'llamaduct_rate_limited_total{key="token-guests",limit="requests_per_minute"}';
    assert.equal(await running.gateway.metric(refused), 3);
  });

  test('have the inference scope only', async (t) => {
    await using running = await start(t);
    const token = await running.identity.token({ groups: 'lab', scopes: ['admin'], scope: 'admin metrics' });
    assert.equal((await running.ask(token, {}, '/api/pull')).status, 403);
    const metrics = await running.gateway.fetch('/metrics', { headers: { authorization: `Bearer ${token}` } });
    assert.equal(metrics.status, 403);
  });

  test('that are invalid are a 401 in the format of each API', async (t) => {
    await using running = await start(t);
    const { identity, ask } = running;
    await using stranger = await provider();
    const good = await identity.token();
    const tokens = {
      expired: await identity.token({ exp: noon / 1000 - 60 }),
      'not yet valid': await identity.token({ nbf: noon / 1000 + 60 }),
      'without an end': await identity.token({ exp: undefined }),
      'for another': await identity.token({ aud: 'somebody-else' }),
      'of another issuer': await identity.token({ iss: 'https://evil.example.org/' }),
      'signed by another': await stranger.token(),
      'without a signature': `${good.split('.').slice(0, 2).join('.')}.`,
      'with another signature': `${good.slice(0, -10)}AAAAAAAAAA`,
      'without a name': await identity.token({ sub: undefined }),
      'with a name that breaks lines': await identity.token({ sub: 'al\nice' }),
    };
    for (const [name, token] of Object.entries(tokens)) {
      const { status, body } = await ask(token);
      assert.equal(status, 401, name);
      assert.equal((body as { error: { code: string } }).error.code, 'invalid_api_key', name);
    }
    for (const { path, body, dialect } of endpoints) {
      const answer = await ask(tokens.expired, body, path);
      assert.equal(answer.status, 401, path);
      const { error } = answer.body as { error: { type?: string } };
      if (dialect === 'anthropic') assert.equal(error.type, 'authentication_error', path);
      if (dialect === 'ollama') assert.equal(typeof error, 'string', path);
    }
    assert.equal(running.upstream.requests.length, 0);
    assert.equal((await ask(good)).status, 200);
  });

  test('are in the ledger and the log by name, and in the metrics by group', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'llamaduct-tokens-'));
    t.after(() => rmSync(folder, { recursive: true }));
    await using running = await start(t, { usage: { file: join(folder, 'usage.sqlite') } });
    const { gateway, identity, ask } = running;
    assert.equal((await ask(await identity.token())).status, 200);
    assert.equal((await ask(await identity.token({ sub: 'bob', groups: 'lab' }))).status, 200);
    const usage = async (by: string): Promise<unknown> => {
      const response = await gateway.fetch(`/v1/usage?all=true&by=${by}`);
      const { data } = (await response.json()) as { data: { name: string | null; input_tokens: number }[] };
      return Object.fromEntries(data.map(({ name, input_tokens: tokens }) => [name ?? 'none', tokens]));
    };
    assert.deepEqual(await usage('key'), { 'token:alice': 5, 'token:bob': 5 });
    assert.deepEqual(await usage('group'), { none: 5, lab: 5 });
    const lines = gateway.log.filter(({ route }) => route === '/v1/chat/completions');
    assert.deepEqual(
      lines.map(({ key }) => key),
      ['token:alice', 'token:bob'],
    );
    for (const label of ['token', 'token-lab']) {
      const labels = `route="/v1/chat/completions",key="${label}",outcome="ok",model="llama3:8b",upstream="ollama"`;
      assert.equal(await gateway.metric(`llamaduct_requests_total{${labels}}`), 1, label);
      const tokens = `llamaduct_tokens_total{key="${label}",model="llama3:8b",type="input"}`;
      assert.equal(await gateway.metric(tokens), 5, label);
    }
    const own = await gateway.fetch('/v1/usage', {
      headers: { authorization: `Bearer ${await identity.token({ sub: 'bob' })}` },
    });
    const { data } = (await own.json()) as { data: { requests: number }[] };
    assert.deepEqual(
      data.map(({ requests }) => requests),
      [1],
    );
  });

  test('with line breaks or names of Object.prototype in their claims do no harm', async (t) => {
    await using running = await start(t, {}, { default_group: 'guests' });
    const { gateway, identity, ask } = running;
    for (const sub of ['a\r\nset-cookie: evil=1', 'a\nllamaduct_evil 1', 'a\0evil', 'a\u2028evil']) {
      assert.equal((await ask(await identity.token({ sub }))).status, 401, sub);
    }
    const odd = ['__proto__', 'constructor', 'lab\r\nx: evil', 'lab"} 1\nllamaduct_evil{a="'];
    for (const [index, group] of odd.entries()) {
      const { status, headers } = await ask(await identity.token({ sub: `evil${index}`, groups: group }));
      assert.deepEqual([status, headers.get('x-ratelimit-limit-requests')], [200, '1'], group);
    }
    assert.equal((await ask(await identity.token({ sub: '__proto__' }))).status, 200);
    assert.doesNotMatch(await (await gateway.fetch('/metrics')).text(), /evil|__proto__|constructor/);
  });

  test('are a 503 while the provider is down, and configured keys still work', async (t) => {
    await using running = await start(t);
    const { gateway, identity, ask } = running;
    identity.up = false;
    const token = await identity.token();
    for (const { path, body, dialect } of endpoints) {
      const answer = await ask(token, body, path);
      assert.equal(answer.status, dialect === 'anthropic' ? 529 : 503, path);
      assert.equal(answer.headers.get('retry-after'), '5', path);
      assert.match(JSON.stringify(answer.body), /The identity provider cannot be reached\./, path);
    }
    assert.equal((await gateway.chat({ model: 'llama3:8b' })).status, 200);
    assert.equal((await ask('no-token-at-all')).status, 401);
    assert.equal((await ask(await identity.token({ iss: 'https://evil.example.org/' }))).status, 401);
  });

  test('are accepted while the provider is down, after its keys have been fetched once', async (t) => {
    await using running = await start(t);
    const { identity, ask } = running;
    assert.equal((await ask(await identity.token())).status, 200);
    identity.up = false;
    assert.equal((await ask(await identity.token({ sub: 'bob' }))).status, 200);
  });
});

test('daily limits of identity provider tokens survive a restart', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-tokens-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const settings = {
    usage: { file: join(folder, 'usage.sqlite') },
    groups: { lab: { limits: { tokens_per_day: 65 } } },
  };
  for (const expected of [
    [200, 200],
    [429, 429],
  ]) {
    await using running = await start(t, settings, { default_group: 'lab' });
    const token = await running.identity.token();
    // The estimate is 51 tokens, the actual usage 10.
    for (const status of expected) assert.equal((await running.ask(token)).status, status);
  }
});
