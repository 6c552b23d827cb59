import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AzureOpenAI } from 'openai';
import { Ollama } from 'ollama';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

suite('a key in the base path', () => {
  test("serves Ollama's client, and is in no log line, metric, answer or upstream request", async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys_in_path: true });
    const client = new Ollama({ host: `${gateway.url}/k/${secret}` });
    const answer = await client.chat({
      model: 'scripted-plain',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
    });
    let text = '';
    for await (const { message } of answer) text += message.content;
    assert.equal(text, 'Hello there!');
    const paths = [
      '/api/tags',
      '/v1/models',
      '',
      '/',
      '//api//version/',
      '/nothing',
      '/v1/chat/completions',
      '/healthz',
    ];
    const seen: string[] = [];
    for (const path of paths) {
      const response = await fetch(`${gateway.url}/k/${secret}${path}`);
      seen.push(JSON.stringify([...response.headers]) + (await response.text()));
    }
    const metrics = await (await gateway.fetch('/metrics')).text();
    const all = JSON.stringify([gateway.log, metrics, seen, upstream.requests, upstream.lists]);
    assert.ok(gateway.log.length >= paths.length - 1);
    assert.ok(gateway.log.some(({ key, route }) => key === 'tester' && route === '/api/chat'));
    assert.equal(all.includes(secret), false);
  });

  test('is a 401 when it is wrong, also beside one that is not a key in a header', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys_in_path: true });
    const status = async (key: string, authorization: string): Promise<number> =>
      (await gateway.fetch(`/k/${key}/api/tags`, { headers: { authorization } })).status;
    assert.equal(await status('ld-another-secret-than-that', 'Bearer ollama'), 401);
    assert.equal(await status(secret, 'Bearer ollama'), 200);
    assert.equal(await status('ld-another-secret-than-that', `Bearer ${secret}`), 200);
  });

  test('is not read unless `keys_in_path` is set', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const authorization of ['', `Bearer ${secret}`]) {
      const response = await gateway.fetch(`/k/${secret}/api/tags`, { headers: { authorization } });
      assert.equal(response.status, 404);
    }
    assert.equal(JSON.stringify(gateway.log).includes(secret), false);
  });
});

suite('Azure OpenAI', () => {
  test("its client is served by the deployment's model, with `api-key`", async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['scripted-plain:latest', 'a/b:Q4']);
    await using gateway = await testGateway(upstream);
    for (const deployment of ['scripted-plain', 'a/b:Q4']) {
      const options = { apiKey: secret, endpoint: gateway.url, apiVersion: '2024-10-21', deployment };
      const client = new AzureOpenAI(options);
      const messages = [{ role: 'user' as const, content: 'hi' }];
      const { choices } = await client.chat.completions.create({
        model: 'gpt-4o',
        messages,
        seed: 9_007_199_254_740_991,
      });
      assert.equal(choices[0]?.message.content, 'Hello there!');
      const { model } = JSON.parse(upstream.requests.at(-1)?.body ?? '') as { model: string };
      assert.equal(model, deployment);
    }
  });

  test('its paths are served, and a body without a model', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const call = async (path: string, body?: object): Promise<number> => {
      const init = { method: body === undefined ? 'GET' : 'POST', headers: { 'api-key': secret } };
      const response = await fetch(gateway.url + path, { ...init, ...(body && { body: JSON.stringify(body) }) });
      await response.text();
      return response.status;
    };
    const messages = [{ role: 'user', content: 'hi' }];
    const query = '?api-version=2024-10-21';
    assert.equal(await call(`/openai/deployments/scripted-plain/chat/completions${query}`, { messages }), 200);
    assert.equal(await call(`/openai/responses${query}`, { model: 'scripted-plain', input: 'hi' }), 200);
    assert.equal(await call('/openai/v1/chat/completions', { model: 'scripted-plain', messages }), 200);
    assert.equal(await call(`/openai/v1/models${query}`), 200);
    assert.equal(await call('/openai/v1/models/scripted-plain'), 200);
    assert.equal(await call(`/openai/deployments/scripted-plain/chat/completions${query}`), 405);
    assert.equal(await call(`/openai/deployments/scripted-plain/else${query}`, { messages }), 404);
    assert.ok(gateway.log.every(({ model }) => model === undefined || model === 'scripted-plain'));
  });

  test('a deployment of a model that the key may not use is a 403, whatever the body names', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const { hashSecret } = await import('../../src/config/secret.ts');
    const limited = 'ld-a-key-for-some-models';
    const keys = [{ name: 'limited', hash: hashSecret(limited), models: ['allowed'] }];
    await using gateway = await testGateway(upstream, { keys });
    const response = await fetch(`${gateway.url}/openai/deployments/scripted-plain/chat/completions`, {
      method: 'POST',
      headers: { 'api-key': limited },
      body: JSON.stringify({ model: 'allowed', messages: [{ role: 'user', content: 'hi' }] }),
    });
    assert.equal(response.status, 403);
    assert.deepEqual(upstream.requests, []);
  });
});

suite('GET of a path that takes POST', () => {
  test('is a 426 for a WebSocket, so that its client goes on over HTTP', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { request } = await import('node:http');
    for (const path of ['/v1/responses', '/v1/chat/completions', '/v1/messages', '/api/chat', '/openai/v1/responses']) {
      const { status, body } = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
        const headers = {
          connection: 'Upgrade',
          upgrade: 'WebSocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'aGVyb25zIHN0YW5kIQ==',
        };
        request(gateway.url + path, { headers }, (res) => {
          let text = '';
          res.on('data', (chunk: Buffer) => (text += chunk.toString()));
          res.on('end', () => resolve({ status: res.statusCode, body: text }));
        })
          .on('error', reject)
          .end();
      });
      assert.equal(status, 426, path);
      assert.match(body, /POST/);
      assert.doesNotThrow(() => JSON.parse(body));
    }
  });

  test('is a 405 that says how to get server-sent events, for a client of those', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const response = await gateway.fetch('/v1/chat/completions', { headers: { accept: 'text/event-stream' } });
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
    assert.match(await response.text(), /"stream\\": true/);
  });
});
