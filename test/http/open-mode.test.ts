import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { suite, test } from 'node:test';
import { isLoopbackAddress } from '../../src/http/page-check.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends a request with exactly these headers, as fetch() does not let one. A null Host header is left out. */
async function ask(url: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> {
  const sent = request(new URL(path, url), { method: body === undefined ? 'GET' : 'POST', headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, text };
}

const chatBody = JSON.stringify({
  model: 'scripted-plain',
  messages: [{ role: 'user', content: 'hi' }],
  stream: false,
});

async function chat({ url }: Pick<TestGateway, 'url'>, headers: Record<string, string>): Promise<number> {
  return (await ask(url, '/v1/chat/completions', { 'content-type': 'application/json', ...headers }, chatBody)).status;
}

const page = 'https://chat.example.org';

/** Headers of a request from a page, and whether it is served. PORT is the port of the gateway. */
const hosts: readonly [host: string, isServed: boolean][] = [
  ['127.0.0.1', true],
  ['127.0.0.1:PORT', true],
  ['127.8.9.1:80', true],
  ['localhost:PORT', true],
  ['LOCALHOST', true],
  ['localhost.', true],
  ['app.localhost:PORT', true],
  ['[::1]:PORT', true],
  ['[::1]', true],
  ['[::ffff:7f00:1]', true],
  ['0.0.0.0:PORT', true],
  ['192.168.1.7:PORT', true],
  ['gpu.local', true],
  ['host.docker.internal:PORT', true],
  [`${hostname()}:PORT`, true],
  ['llm.example.org', true],
  ['LLM.example.org:443', true],
  ['evil.example', false],
  ['evil.example:PORT', false],
  ['EVIL.example.', false],
  ['localhost.evil.example', false],
  ['127.0.0.1.evil.example:PORT', false],
  ['xlocalhost', false],
  ['local', false],
  ['93.184.216.34', false],
  ['[2001:db8::1]:PORT', false],
  ['sub.llm.example.org', false],
];

const origins: readonly [origin: string, isServed: boolean][] = [
  [page, true],
  ['http://127.0.0.1:PORT', true],
  ['https://127.0.0.1:PORT', true],
  ['http://localhost', true],
  ['http://localhost:3000', true],
  ['HTTP://LOCALHOST:3000', true],
  ['https://localhost:5173', true],
  ['http://[::1]:8080', true],
  ['http://0.0.0.0:8080', true],
  ['http://tauri.localhost', true],
  ['app://obsidian.md', true],
  ['file://', true],
  ['tauri://localhost', true],
  ['vscode-webview://1b2c', true],
  ['vscode-file://vscode-app', true],
  ['chrome-extension://abcdef', true],
  ['moz-extension://0b1c', true],
  ['null', false],
  ['https://evil.example', false],
  ['http://evil.example:PORT', false],
  [`${page}.evil.example`, false],
  ['https://evil.example/https://chat.example.org', false],
  ['http://localhost.evil.example', false],
  ['http://localhost:3000@evil.example', false],
  ['http://localhost:3000, https://evil.example', false],
  ['https://file.example', false],
  ['http://192.168.1.7', false],
  ['', false],
];

suite('in open mode, on loopback', () => {
  const settings = { access: 'open', cors: [page], allowed_hosts: ['llm.example.org'] };

  test('only requests with a local or allowed host name are served, so that DNS rebinding gains nothing', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const { port } = new URL(gateway.url);
    for (const [host, isServed] of hosts) {
      assert.equal(await chat(gateway, { host: host.replace('PORT', port) }), isServed ? 200 : 403, host);
    }
    assert.equal(
      await gateway.metric('llamaduct_auth_failures_total{reason="host"}'),
      hosts.filter(([, ok]) => !ok).length,
    );
  });

  test('only pages of local, allowed or own origins are served, with every kind of request', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const { port } = new URL(gateway.url);
    for (const [template, isServed] of origins) {
      const origin = template.replace('PORT', port);
      assert.equal(await chat(gateway, { origin }), isServed ? 200 : 403, template);
      // A form or a script can send this without a preflight.
      assert.equal(await chat(gateway, { origin, 'content-type': 'text/plain' }), isServed ? 200 : 403, template);
    }
    // A page that a proxy serves under the same name.
    assert.equal(await chat(gateway, { host: 'llm.example.org', origin: 'https://llm.example.org' }), 200);
  });

  test('an image or a script of a foreign page is refused, a link to llamaduct is not', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const from = async (mode: string): Promise<number> =>
      (await ask(gateway.url, '/v1/models', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': mode })).status;
    assert.deepEqual([await from('no-cors'), await from('navigate')], [403, 200]);
  });

  test('every route is checked, and the refusal has the format of its API', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const rebound = { host: 'evil.example' };
    const routes: [path: string, body: string | undefined, error: RegExp][] = [
      ['/v1/chat/completions', chatBody, /"type":"permission_error".*"code":"host_not_allowed"/],
      ['/v1/messages', chatBody, /^\{"type":"error","error":\{"type":"permission_error"/],
      ['/api/chat', chatBody, /^\{"error":"Without a key/],
      ['/api/tags', undefined, /^\{"error":"Without a key/],
      ['/api/version', undefined, /^\{"error":"Without a key/],
      ['/', undefined, /Without a key/],
      ['/v1/models', undefined, /"code":"host_not_allowed"/],
      ['/v1/usage', undefined, /"code":"host_not_allowed"/],
      ['/metrics', undefined, /Without a key/],
      ['/healthz', undefined, /Without a key/],
      ['/readyz', undefined, /Without a key/],
    ];
    for (const [path, body, error] of routes) {
      const answer = await ask(gateway.url, path, rebound, body);
      assert.equal(answer.status, 403, path);
      assert.match(answer.text, error, path);
    }
    const upgrade = { ...rebound, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    assert.equal((await ask(gateway.url, '/v1/models', upgrade)).status, 403);
    assert.deepEqual(upstream.requests, []);
  });

  test('a key makes up for the host and the origin, a wrong one does not', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const foreign = { host: 'evil.example', origin: 'https://evil.example' };
    assert.equal(await chat(gateway, { ...foreign, authorization: `Bearer ${secret}` }), 200);
    assert.equal(await chat(gateway, { ...foreign, authorization: 'Bearer ollama' }), 403);
  });

  test('a request of HTTP/1.0 without a Host header is served, and an absolute target is not', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const status = async (head: string): Promise<string> => {
      const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
      socket.write(`${head}\r\n\r\n`);
      let text = '';
      for await (const chunk of socket.setEncoding('latin1')) text += chunk;
      return text.slice('HTTP/1.1 '.length).slice(0, 3);
    };
    assert.equal(await status('GET /v1/models HTTP/1.0'), '200');
    assert.equal(await status('GET /healthz HTTP/1.0'), '200');
    assert.equal(await status('GET /v1/models HTTP/1.1\r\nhost: localhost, evil.example\r\nconnection: close'), '400');
    const absolute = 'GET http://evil.example/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close';
    assert.equal(await status(absolute), '404');
  });
});

suite('the check of pages', () => {
  test('does not apply where every request needs a key', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const foreign = { host: 'evil.example', origin: 'https://evil.example' };
    assert.equal(await chat(gateway, foreign), 401);
    assert.equal(await chat(gateway, { ...foreign, authorization: `Bearer ${secret}` }), 200);
    assert.equal((await ask(gateway.url, '/healthz', foreign)).status, 200);
  });

  test('begins when a reload opens access', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    assert.equal(await chat(gateway, { host: 'evil.example' }), 401);
    const { configSchema } = await import('../../src/config/schema.ts');
    const { upstreams: _, ...open } = configSchema.parse({ listen: '127.0.0.1:0', access: 'open' });
    await gateway.reload(() =>
      Promise.resolve({ ...open, upstreams: [{ name: 'ollama', kind: 'ollama', url: upstream.url }] }),
    );
    assert.equal(await chat(gateway, { host: 'evil.example' }), 403);
    assert.equal(await chat(gateway, {}), 200);
  });

  test('leaves host names alone on a network, unless some are listed, but never origins', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const open = { access: 'open', listen: '0.0.0.0:0' };
    await using anyName = await testGateway(upstream, open);
    const reach = ({ url }: TestGateway): { url: string } => ({ url: url.replace('0.0.0.0', '127.0.0.1') });
    assert.equal(await chat(reach(anyName), { host: 'gpu1.example.org' }), 200);
    assert.equal(await chat(reach(anyName), { host: 'gpu1.example.org', origin: 'https://evil.example' }), 403);
    await using listed = await testGateway(upstream, { ...open, allowed_hosts: ['gpu1.example.org'] });
    assert.equal(await chat(reach(listed), { host: 'gpu1.example.org' }), 200);
    assert.equal(await chat(reach(listed), { host: 'evil.example' }), 403);
  });

  test('knows every way to write a loopback address to listen on', () => {
    const at = (host: string): boolean => isLoopbackAddress({ host, port: 1 });
    for (const host of [
      'localhost',
      'LocalHost',
      '127.0.0.1',
      '127.1.2.3',
      '::1',
      '0:0:0:0:0:0:0:1',
      '::ffff:127.0.0.1',
    ]) {
      assert.ok(at(host), host);
    }
    for (const host of ['0.0.0.0', '::', '192.168.1.7', 'gpu1', 'localhost.example.org']) assert.ok(!at(host), host);
    assert.ok(!isLoopbackAddress({ path: '/run/llamaduct.sock' }));
  });
});

suite('the listener of metrics', () => {
  test('refuses pages and foreign host names, whether requests need a key or not', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    for (const access of ['open', 'keys']) {
      await using gateway = await testGateway(upstream, { access, metrics: { listen: '127.0.0.1:0' } });
      const url = gateway.metricsUrl ?? '';
      const status = async (headers: Record<string, string>): Promise<number> =>
        (await ask(url, '/metrics', headers)).status;
      assert.equal(await status({}), 200);
      assert.equal(await status({ host: 'localhost:9464' }), 200);
      assert.equal(await status({ host: 'evil.example' }), 403);
      assert.equal(await status({ origin: 'https://evil.example' }), 403);
      assert.equal(await status({ origin: 'null' }), 403);
      assert.equal(await status({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }), 403);
    }
  });
});
