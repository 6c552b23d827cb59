import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { readTarget as read } from '../../src/http/paths.ts';
import { readGoogleTarget } from '../../src/protocols/google/target.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

function readTarget(
  target: string,
  keysInPath: boolean,
  headers: Readonly<Record<string, string>> = {},
): ReturnType<typeof read> {
  return read(target, { keysInPath, readers: [readGoogleTarget], header: (name) => headers[name] });
}

const disguised = [
  '/api//./tags',
  '/api/./tags',
  '/v1/../api/delete',
  '/api/%2e%2e/api/tags',
  '/api%2ftags',
  '/api/%74ags',
  '/api\\tags',
  '/API/tags',
  '/api/tags/%2f',
  '/api/tags;x=1',
  '/v1/models/../../api/delete',
  '/v1/models/%2e%2e/%2e%2e/api/delete',
  '/v1/models/..%2f..%2fapi/delete',
  '/api/blobs/sha256:xyz',
  `/api/blobs/sha256:${'a'.repeat(64)}/../../delete`,
  '/api/blobs/..',
  '/v1/completions/x',
  '/api',
  '/v1',
  '/api/unknown',
  '*',
  'http://elsewhere/api/tags',
];

/** Sends a request target unchanged; fetch would normalise it. */
async function raw(url: string, method: string, target: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `${method} ${target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
  );
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: Number(text.slice(9, 12)), body: text.slice(text.indexOf('\r\n\r\n') + 4) };
}

suite('a request target', () => {
  test('that disguises a path reaches no route and no upstream', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const target of disguised) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const { status, body } = await raw(gateway.url, method, target);
        // A backslash and `*` are refused before the URL is parsed. An id of a model may contain `..%2f`.
        const expected =
          target.includes('\\') || target === '*' ? 400 : target.includes('..%2f') && method !== 'GET' ? 405 : 404;
        assert.equal(status, expected, `${method} ${target}`);
        assert.doesNotThrow(() => JSON.parse(body), `${method} ${target}: ${body}`);
      }
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('is a 405 with Allow for a method that its route does not have', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const wrong: [string, string, string][] = [
      ['GET', '/v1/chat/completions', 'POST'],
      ['DELETE', '/v1/models', 'GET, HEAD'],
      ['GET', '/api/chat', 'POST'],
      ['POST', '/api/delete', 'DELETE'],
      ['PUT', '/api/tags', 'GET, HEAD'],
      ['OPTIONS', '/api/generate', 'POST'],
    ];
    for (const [method, path, allow] of wrong) {
      const response = await gateway.fetch(path, { method });
      assert.deepEqual([response.status, response.headers.get('allow')], [405, allow], `${method} ${path}`);
      const { error } = (await response.json()) as { error: unknown };
      assert.equal(typeof error, path.startsWith('/api/') ? 'string' : 'object');
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('leads to the path of a route', () => {
    const chat = '/v1/chat/completions';
    const targets: [target: string, expected: ReturnType<typeof readTarget>][] = [
      ['/', { path: '/' }],
      ['//', { path: '/' }],
      ['/api/chat', { path: '/api/chat' }],
      ['/api/tags?x=%2e%2e', { path: '/api/tags' }],
      ['/v1/models/hf.co%2Fa%2Fb%3AQ4', { path: '/v1/models/hf.co%2Fa%2Fb%3AQ4' }],
      ['/v1/models/hf.co/a/b:Q4', { path: '/v1/models/hf.co/a/b:Q4' }],
      ['//v1///chat/completions//?a=//b', { path: chat }],
      ['/v1/models/', { path: '/v1/models' }],
      ['/k/KEY', { path: '/', secret: 'KEY' }],
      ['/k/KEY/', { path: '/', secret: 'KEY' }],
      ['/k/K%2BY/api/chat?x', { path: '/api/chat', secret: 'K+Y' }],
      ['//k//KEY//v1/chat/completions/', { path: chat, secret: 'KEY' }],
      ['/k/KEY/k/OTHER/api/chat', { path: '/k/OTHER/api/chat', secret: 'KEY' }],
      ['/openai/v1/chat/completions', { path: chat }],
      ['/openai/v1/models/a%2Fb', { path: '/v1/models/a%2Fb' }],
      ['/openai/responses?api-version=2025-04-01-preview', { path: '/v1/responses' }],
      ['/openai/models?api-version=1', { path: '/v1/models' }],
      ['/openai/deployments/llama3.1:8b/chat/completions?api-version=1', { path: chat, model: 'llama3.1:8b' }],
      ['/openai/deployments/hf.co%2Fa%2Fb/embeddings', { path: '/v1/embeddings', model: 'hf.co/a/b' }],
      ['/openai/deployments/hf.co/a/b/completions', { path: '/v1/completions', model: 'hf.co/a/b' }],
      ['/v1beta/models', { path: '/v1beta/models' }],
      ['/v1beta/models/hf.co/a/b:Q4?key=KEY', { path: '/v1beta/models/hf.co/a/b:Q4', secret: 'KEY' }],
      ['/v1beta/models/m:generateContent', { path: '/v1beta/generateContent', model: 'm' }],
      ['/v1/models/llama3.1:8b:generateContent', { path: '/v1beta/generateContent', model: 'llama3.1:8b' }],
      ['/v1beta/models/m:countTokens?key=KEY', { path: '/v1beta/countTokens', model: 'm', secret: 'KEY' }],
      ['/v1beta/models/m:streamGenerateContent?alt=sse', { path: '/v1beta/streamGenerateContent', model: 'm' }],
      ['/v1beta/models/a%2Fb:streamGenerateContent', { path: '/v1beta/streamGenerateContent/array', model: 'a/b' }],
      ['/k/KEY/v1beta/models/m:generateContent', { path: '/v1beta/generateContent', model: 'm', secret: 'KEY' }],
      ['/v1/models', { path: '/v1/models' }],
      ['/v1/models?key=KEY', { path: '/v1/models' }],
      ['/v1/models/m:generateContent?key=KEY', { path: '/v1beta/generateContent', model: 'm', secret: 'KEY' }],
      ['/v1/models/a:b?key=', { path: '/v1/models/a:b' }],
      ['/v1alpha/models/m:generateContent', { path: '/v1beta/generateContent', model: 'm' }],
      ['/v1beta/hf.co/a/b:Q4:generateContent', { path: '/v1beta/generateContent', model: 'hf.co/a/b:Q4' }],
      ['/v1beta/models/a%3Ab:embedContent', { path: '/v1beta/embedContent', model: 'a:b' }],
      ['/v1beta/models/m:batchEmbedContents', { path: '/v1beta/batchEmbedContents', model: 'm' }],
      ['/v1beta/models/m:predict', { path: '/v1beta/models/m:predict' }],
      ['/k/KEY/openai/deployments/m/responses', { path: '/v1/responses', model: 'm', secret: 'KEY' }],
    ];
    for (const [target, expected] of targets) assert.deepEqual(readTarget(target, true), expected, target);
    assert.deepEqual(readTarget('/k/KEY/api/chat', false), { path: '/k/KEY/api/chat' });
    const google = { 'x-goog-api-key': 'KEY' };
    assert.deepEqual(readTarget('/v1/models', true, google), { path: '/v1beta/models' });
    assert.deepEqual(readTarget('/v1/models/a%2Fb', true, google), { path: '/v1beta/models/a%2Fb' });
    assert.deepEqual(readTarget('/v1/chat/completions', true, google), { path: '/v1/chat/completions' });
  });

  test('leads nowhere with dot segments, encoded characters or an absolute form', () => {
    for (const target of [
      '',
      'api',
      '/a/../b',
      '/a//../b',
      '/v1/models/%2e%2e/x',
      '/a%20b',
      '/a%2F',
      'http://x/a',
      '/k/%ff/api/chat',
      '/k/KEY/../api/chat',
      '/openai/../api/chat',
      '/v1beta/models/../x:generateContent',
      '/v1beta/models/%2e%2e/m:generateContent',
      '/v1beta/models/%ff:generateContent',
      '/openai/deployments/../chat/completions',
      '/openai/deployments/%2e%2e/chat/completions',
      '/openai/deployments/%ff/chat/completions',
      '/openai/deployments/m/chat%2Fcompletions',
    ]) {
      assert.equal(readTarget(target, true).path, undefined, target);
    }
  });

  test('can contain a model id with slashes and colons, encoded or not', async () => {
    const details = {
      capabilities: ['completion'],
      model_info: { 'general.architecture': 'llama', 'llama.context_length': 8192 },
    };
    await using upstream = await fakeUpstream(
      (res) => void res.end(JSON.stringify(details)),
      ['hf.co/a/b:Q4', 'llama3:latest'],
    );
    await using gateway = await testGateway(upstream);
    for (const [path, id, owner] of [
      ['/v1/models/hf.co/a/b:Q4', 'hf.co/a/b:Q4', 'a'],
      ['/v1/models/hf.co%2Fa%2Fb%3AQ4', 'hf.co/a/b:Q4', 'a'],
      ['/v1/models/llama3', 'llama3', 'library'],
    ] as const) {
      const response = await gateway.fetch(path);
      const model = {
        id,
        object: 'model',
        created: 1795233360,
        owned_by: owner,
        context_length: 8192,
        capabilities: ['completion'],
      };
      assert.deepEqual(await response.json(), model);
    }
    for (const unknown of ['/v1/models/nope', '/v1/models/%ff']) {
      const response = await gateway.fetch(unknown);
      const { error } = (await response.json()) as { error: { code: string } };
      assert.deepEqual([response.status, error.code], [404, 'model_not_found']);
    }
  });
});
