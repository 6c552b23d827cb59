import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { configSchema } from '../../src/config/schema.ts';
import { exposedHeaders } from '../../src/http/cors.ts';
import { secret, type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { endpoints, tester } from '../limits/limited.ts';

const page = 'https://chat.example.org';
const cors = { cors: [page, 'http://localhost:5173'] };
const limits = { requests_per_minute: 100, tokens_per_minute: 1_000_000 };
const digest = 'a'.repeat(64);

/** Every path, with its methods. */
const paths: readonly [path: string, methods: string][] = [
  ...endpoints.map(({ path }): [string, string] => [path, 'POST']),
  ['/v1/models', 'GET, HEAD'],
  ['/v1/models/library/some', 'GET, HEAD'],
  ['/v1/responses/resp_1', 'GET, HEAD, DELETE'],
  ['/v1/responses/resp_1/input_items', 'GET, HEAD'],
  ['/v1/usage', 'GET, HEAD'],
  ['/api/show', 'POST'],
  ['/api/tags', 'GET, HEAD'],
  ['/api/pull', 'POST'],
  ['/api/delete', 'DELETE'],
  [`/api/blobs/sha256:${digest}`, 'GET, HEAD, POST'],
  ['/', 'GET, HEAD'],
  ['/metrics', 'GET, HEAD'],
  ['/healthz', 'GET, HEAD'],
  ['/readyz', 'GET, HEAD'],
];

async function preflight(gateway: TestGateway, path: string, init: Record<string, string> = {}): Promise<Response> {
  const headers = { origin: page, 'access-control-request-method': 'POST', ...init };
  const response = await fetch(gateway.url + path, { method: 'OPTIONS', headers });
  await response.text();
  return response;
}

function corsHeadersOf(response: Response): string[] {
  return [...response.headers.keys()].filter((name) => name.startsWith('access-control-') || name === 'vary');
}

suite('CORS without the setting', () => {
  test('is off: OPTIONS is a 405, and no response has a CORS header, not even one from the upstream', async () => {
    await using upstream = await fakeUpstream((res, request) => {
      res.setHeader('access-control-allow-origin', '*');
      return plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream);
    for (const [path, methods] of paths) {
      const response = await preflight(gateway, path);
      assert.deepEqual([response.status, response.headers.get('allow')], [405, methods], path);
      assert.deepEqual(corsHeadersOf(response), [], path);
    }
    for (const { path, body } of endpoints) {
      const response = await gateway.fetch(path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { origin: page },
      });
      await response.text();
      assert.deepEqual(corsHeadersOf(response), [], path);
    }
  });
});

suite('a CORS preflight', () => {
  test('gets the methods of every path', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    for (const [path, methods] of paths) {
      const { status, headers } = await preflight(gateway, path, { 'access-control-request-headers': 'authorization' });
      assert.equal(status, 204, path);
      assert.equal(headers.get('access-control-allow-origin'), page, path);
      assert.equal(headers.get('access-control-allow-methods'), methods, path);
      assert.equal(headers.get('access-control-allow-headers'), 'authorization', path);
      assert.equal(headers.get('access-control-allow-credentials'), null, path);
      assert.match(headers.get('vary') ?? '', /^Origin,/, path);
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('allows all headers that the SDKs send', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    const sent: { readonly path: string; readonly names: string[] }[] = [];
    const spy = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const { url, headers } = new Request(input, init);
      sent.push({ path: new URL(url).pathname, names: [...headers.keys()] });
      return await fetch(input, init);
    };
    const common = { apiKey: secret, fetch: spy, dangerouslyAllowBrowser: true, timeout: 5000 };
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const openai = new OpenAI({ ...common, baseURL: `${gateway.url}/v1` });
    await openai.chat.completions.create(
      { model: 'scripted-plain', messages },
      { headers: { 'x-llamaduct-priority': 'batch' }, idempotencyKey: 'once' },
    );
    const anthropic = new Anthropic({ ...common, baseURL: gateway.url });
    await anthropic.messages.create({ model: 'scripted-plain', messages, max_tokens: 9 });
    assert.deepEqual(
      sent.map(({ path }) => path),
      ['/v1/chat/completions', '/v1/messages'],
    );
    for (const { path, names } of sent) {
      assert.ok(names.length > 8);
      const requested = names.join(',');
      const { headers } = await preflight(gateway, path, { 'access-control-request-headers': requested });
      assert.deepEqual(headers.get('access-control-allow-headers')?.split(', '), names);
    }
    assert.ok(sent[1]?.names.includes('anthropic-dangerous-direct-browser-access'));
  });

  test('allows no other header', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    const requested = 'cookie, x-forwarded-for,x-evil, X-Api-Key ,*, x-stainless-, x-stainless-lang';
    const { headers } = await preflight(gateway, '/v1/models', { 'access-control-request-headers': requested });
    assert.equal(headers.get('access-control-allow-headers'), 'x-api-key, x-stainless-lang');
  });

  test('is a 405 for an origin that is not in the list', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    for (const origin of ['https://evil.example', 'null', `${page}.evil.example`, 'http://chat.example.org', '*', '']) {
      const { status, headers } = await preflight(gateway, '/v1/models', { origin });
      assert.equal(status, 405, origin);
      assert.equal(headers.get('access-control-allow-origin'), null, origin);
      assert.equal(headers.get('vary'), 'Origin', origin);
    }
  });

  test('is a 404 for an unknown path, and a 405 without the requested method', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    assert.equal((await preflight(gateway, '/v1/nothing')).status, 404);
    const withoutMethod = await fetch(`${gateway.url}/v1/models`, { method: 'OPTIONS', headers: { origin: page } });
    assert.equal(withoutMethod.status, 405);
    await withoutMethod.text();
  });
});

suite('a page from an allowed origin', () => {
  test('can read every response and its headers: whole, streamed, passed through, refused, failed', async () => {
    await using upstream = await fakeUpstream((res, request) => {
      if (request.body.includes('broken')) return void res.writeHead(500).end('{"error":"it broke"}');
      return plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, { ...cors, keys: [{ ...tester, limits }] });
    const requests: [string, RequestInit, number][] = [
      ...endpoints
        .filter(({ path }) => !path.includes('embed'))
        .flatMap(({ path, body, streams }) =>
          [false, true]
            .filter((stream) => streams || !stream)
            .map((stream): [string, RequestInit, number] => [
              path,
              { method: 'POST', body: JSON.stringify(streams ? { ...body, stream } : body) },
              200,
            ]),
        ),
      ['/v1/models', {}, 200],
      ['/v1/usage', {}, 200],
      ['/metrics', {}, 200],
      ['/healthz', {}, 200],
      ['/readyz', {}, 200],
      ['/v1/nothing', {}, 404],
      ['/v1/models', { method: 'POST' }, 405],
      ['/v1/chat/completions', { method: 'POST', body: '{' }, 400],
      ['/v1/models', { headers: { authorization: 'Bearer wrong' } }, 401],
      [
        '/v1/chat/completions',
        { method: 'POST', body: JSON.stringify({ ...endpoints[0]?.body, model: 'broken' }) },
        502,
      ],
    ];
    const exposed = new Set(exposedHeaders.split(', '));
    const safelisted = new Set(['content-type', 'content-length', 'cache-control', 'date', 'connection', 'keep-alive']);
    const irrelevant = new Set(['transfer-encoding', 'vary', 'allow', 'www-authenticate', 'x-accel-buffering']);
    for (const [path, init, status] of requests) {
      const headers = { origin: page, ...(init.headers as Record<string, string>) };
      const response = await gateway.fetch(path, { ...init, headers });
      const what = `${init.method ?? 'GET'} ${path}`;
      assert.equal(response.status, status, `${what}: ${await response.text()}`);
      assert.equal(response.headers.get('access-control-allow-origin'), page, what);
      assert.equal(response.headers.get('access-control-expose-headers'), exposedHeaders, what);
      assert.equal(response.headers.get('access-control-allow-credentials'), null, what);
      assert.equal(response.headers.get('vary'), 'Origin', what);
      for (const name of response.headers.keys()) {
        const known =
          safelisted.has(name) || irrelevant.has(name) || /^(access-control-|cross-origin-|x-content-type-)/.test(name);
        assert.ok(known || exposed.has(name), `${what} has ${name}, which the page cannot read`);
      }
    }
  });

  test('gets the CORS headers, other origins get only `Vary: Origin`', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, cors);
    for (const origin of ['https://evil.example', undefined]) {
      const response = await gateway.fetch('/v1/models', origin === undefined ? {} : { headers: { origin } });
      await response.text();
      assert.deepEqual(corsHeadersOf(response), ['vary']);
    }
    const other = await gateway.fetch('/v1/models', { headers: { origin: 'http://localhost:5173' } });
    await other.text();
    assert.equal(other.headers.get('access-control-allow-origin'), 'http://localhost:5173');
  });
});

test('the setting `cors` accepts origins as browsers send them, and no wildcard', () => {
  const accepted = [
    page,
    'http://localhost:5173',
    'http://[::1]:8080',
    'chrome-extension://abcdefgh',
    'tauri://localhost',
  ];
  assert.deepEqual(configSchema.parse({ cors: accepted }).cors, accepted);
  const refused = ['*', 'null', '', 'https://*.example.org', `${page}/`, `${page}:443`, 'https://Chat.example.org'];
  for (const origin of [...refused, 'https://me:secret@chat.example.org', 'chat.example.org', `${page},${page}`]) {
    assert.equal(configSchema.safeParse({ cors: [origin] }).success, false, origin);
  }
});
