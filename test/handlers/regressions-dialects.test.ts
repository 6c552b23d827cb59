import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { Accumulator } from '../../src/chat/accumulator.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { responses } from '../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { chunk, saying, stream, usageChunk } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const openai = { kind: 'openai' } as const;
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const limited = 'ld-a-limited-secret';
const limitedTo = (...models: string[]): object => ({
  keys: [{ name: 'limited', hash: hashSecret(limited), scopes: ['inference'], models }],
});

async function post(gateway: TestGateway, path: string, body: object, key?: string): Promise<Response> {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return await gateway.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

const messages = [{ role: 'user', content: 'hi' }];

suite('a key limited to models', () => {
  test('reaches no other by a second spelling of the field, which a server written in Go would read', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['mine', 'theirs']);
    await using gateway = await testGateway(upstream, { upstream: openai, ...limitedTo('mine') });
    for (const spelling of ['MODEL', 'Model']) {
      const body = { model: 'mine', [spelling]: 'theirs', messages };
      const response = await post(gateway, '/v1/chat/completions', body, limited);
      assert.equal(response.status, 403);
    }
    assert.equal(upstream.requests.length, 0);
  });

  test('reaches no other as a fallback, which some servers take a list of', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['mine', 'theirs']);
    await using gateway = await testGateway(upstream, { upstream: openai, ...limitedTo('mine') });
    const body = { model: 'mine', models: ['mine', 'theirs'], messages };
    assert.equal((await post(gateway, '/v1/chat/completions', body, limited)).status, 403);
    assert.equal(upstream.requests.length, 0);
  });

  test('does not get the default model for a name that it made up', async () => {
    await using upstream = await openaiUpstream(saying('no'), ['small', 'big']);
    await using gateway = await testGateway(upstream, {
      upstream: openai,
      default_model: 'big',
      default_for_unknown: true,
      ...limitedTo('small*'),
    });
    for (const [path, body] of [
      ['/v1/chat/completions', { messages }],
      ['/v1/messages', { messages, max_tokens: 5 }],
      ['/api/chat', { messages }],
      ['/api/embed', { input: 'x' }],
      ['/v1/embeddings', { input: 'x' }],
    ] as const) {
      const response = await post(gateway, path, { model: 'small-but-unknown', ...body }, limited);
      assert.equal(response.status, 403, path);
    }
    assert.equal(upstream.requests.length, 0);
  });
});

suite('a list of fallbacks', () => {
  test('does not make llamaduct ask for the models once for each of them', async () => {
    let lists = 0;
    await using upstream = await fakeUpstream((res, { method }) => {
      if (method === 'GET') lists += 1;
      sendJson(res, 500, { error: { message: 'broken' } });
    });
    await using gateway = await testGateway(
      { url: `${upstream.url}/v1` },
      { upstream: openai, default_model: 'mine', default_for_unknown: true },
    );
    const models = Array.from({ length: 2_000 }, (_, index) => `m${index}`);
    assert.equal((await post(gateway, '/v1/chat/completions', { model: 'mine', models, messages })).status, 502);
    assert.ok(lists < 50, `${lists} lists`);
  });
});

suite('stop sequences that end an answer here', () => {
  test('are short, as every token is looked through for the beginnings of each', async () => {
    await using upstream = await openaiUpstream(saying('x'));
    await using gateway = await testGateway(upstream, { upstream: openai });
    for (const [length, status] of [
      [256, 200],
      [257, 400],
    ] as const) {
      const body = { model: 'scripted', max_tokens: 5, messages, stop_sequences: ['x'.repeat(length)] };
      const response = await post(gateway, '/v1/messages', body);
      assert.equal(response.status, status);
      if (status === 400) assert.match(await response.text(), /stop_sequences/);
    }
  });
});

suite('an answer in one piece', () => {
  test('may have more log probabilities than a call has arguments', () => {
    const logprobs = Array.from({ length: 200_000 }, () => ({
      token: 'a',
      logprob: -1,
      bytes: null,
      top_logprobs: [],
    }));
    const fold = new Accumulator();
    fold.add({ type: 'text', text: 'a', logprobs });
    fold.add({ type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} });
    assert.equal(fold.result?.logprobs.length, logprobs.length);
  });
});

suite('several answers', () => {
  test('are bounded whatever the spelling of n', async () => {
    await using upstream = await openaiUpstream(saying('yes'));
    await using gateway = await testGateway(upstream, { upstream: openai });
    const response = await post(gateway, '/v1/chat/completions', { model: 'scripted', N: 100, messages });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'N');
    assert.doesNotMatch(upstream.requests[0]?.body ?? '', /100/);
  });
});

suite('strict', () => {
  test('does not fail over an image that is yet to be fetched', async () => {
    const images = createServer((_req, res) => res.end(Buffer.from(png, 'base64')));
    await new Promise<void>((resolve) => {
      images.listen(0, '127.0.0.1', resolve);
    });
    const { port } = images.address() as AddressInfo;
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      strict: true,
      images: { fetch: true, allow: ['127.0.0.0/8'], ports: [port] },
    });
    const content = [{ type: 'input_image', image_url: `http://127.0.0.1:${port}/a.png` }];
    const response = await post(gateway, '/v1/responses', {
      model: 'scripted-plain',
      input: [{ role: 'user', content }],
    });
    images.close();
    assert.equal(response.status, 200, await response.text());
  });
});

suite('a list of models', () => {
  test('of a server that tells of all of them at once costs one question', async () => {
    const asked: string[] = [];
    const server = createServer((req, res) => {
      asked.push(req.url ?? '');
      const data = [
        { id: 'a', created: 1, max_model_len: 4096 },
        { id: 'b', created: 1, meta: { n_ctx_train: 8192 } },
        { id: 'c', created: 1 },
      ];
      sendJson(res, req.url === '/v1/models' ? 200 : 404, { object: 'list', data });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as AddressInfo;
    await using gateway = await testGateway({ url: `http://127.0.0.1:${port}/v1` }, { upstream: openai });
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { context_length?: number }[] };
    server.closeAllConnections();
    server.close();
    assert.deepEqual(
      data.map(({ context_length: length }) => length),
      [4096, 8192, undefined],
    );
    assert.deepEqual(new Set(asked), new Set(['/v1/models']));
  });
});

suite('a token count', () => {
  test('of an upstream that counts nothing is estimated', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length')]));
    await using gateway = await testGateway(upstream, { upstream: openai });
    const body = { model: 'scripted', messages: [{ role: 'user', content: 'x'.repeat(400) }] };
    const response = await post(gateway, '/v1/messages/count_tokens', body);
    assert.deepEqual(await response.json(), { input_tokens: 100 });
  });

  test('generates one token, whatever the operator pinned', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }, 'length'), usageChunk(7, 1)]));
    await using gateway = await testGateway(upstream, {
      upstream: openai,
      models: [{ match: '*', pin: { num_predict: 500 } }],
    });
    const response = await post(gateway, '/v1/messages/count_tokens', { model: 'scripted', messages });
    assert.deepEqual(await response.json(), { input_tokens: 7 });
    assert.equal((JSON.parse(upstream.requests[0]?.body ?? '{}') as { max_tokens: number }).max_tokens, 1);
  });
});

suite('what an upstream sends that no protocol has', () => {
  test('is its fault, in every dialect', async () => {
    for (const calls of [[null], {}, 'x']) {
      await using upstream = await openaiUpstream(stream([chunk({ tool_calls: calls })]));
      await using gateway = await testGateway(upstream, { upstream: openai });
      for (const path of ['/v1/responses', '/v1/messages', '/api/chat']) {
        const body = { model: 'scripted', max_tokens: 5, input: 'hi', messages };
        assert.equal((await post(gateway, path, body)).status, 502, path);
      }
    }
  });

  test('as log probabilities is left out', async () => {
    const choice = { index: 0, delta: { content: 'a' }, logprobs: { content: {} }, finish_reason: 'stop' };
    await using upstream = await openaiUpstream(stream([{ choices: [choice] }]));
    await using gateway = await testGateway(upstream, { upstream: openai });
    assert.equal((await post(gateway, '/v1/messages', { model: 'scripted', max_tokens: 5, messages })).status, 200);
  });
});

suite('an error in the stream of an upstream', () => {
  test('about the key of llamaduct is not told', async () => {
    for (const error of [
      { message: 'Incorrect API key provided: sk-proj-1234', type: 'invalid_request_error', code: 'invalid_api_key' },
      { message: 'No credits for sk-proj-1234', code: 402 },
      { message: 'sk-proj-1234 is wrong', type: 'authentication_error' },
    ]) {
      await using upstream = await openaiUpstream(stream([{ error }]));
      await using gateway = await testGateway(upstream, { upstream: openai });
      const response = await post(gateway, '/v1/messages', { model: 'scripted', max_tokens: 5, messages });
      assert.equal(response.status, 502);
      assert.doesNotMatch(await response.text(), /1234/);
    }
  });

  test('about the context is a failed response with the code by which agents know it', async () => {
    const error = { message: 'too long', code: 'context_length_exceeded' };
    await using upstream = await openaiUpstream(stream([chunk({ content: 'x' }), { error }]));
    await using gateway = await testGateway(upstream, { upstream: openai });
    const text = await (await post(gateway, '/v1/responses', { model: 'scripted', stream: true, input: 'hi' })).text();
    const failed = /event: response\.failed\ndata: (.*)/.exec(text)?.[1] ?? '{}';
    const { response } = JSON.parse(failed) as { response: { error: { code: string } } };
    assert.equal(response.error.code, 'context_length_exceeded');
  });
});

suite('a model that is not known', () => {
  test('is shown as the default that would answer for it', async () => {
    await using upstream = await openaiUpstream(saying('x'), ['fallback']);
    const settings = { upstream: openai, default_model: 'fallback', default_for_unknown: true };
    await using gateway = await testGateway(upstream, settings);
    assert.equal((await post(gateway, '/api/show', { model: 'unheard-of' })).status, 200);
  });
});

suite('a response', () => {
  test('of calls without end is given up, as one of text is', async () => {
    const call = await responses(new MemoryTextStore({ entries: 1, bytes: 1e6, ttl: 1e3 })).read(
      { model: 'm', input: 'hi' },
      'tester',
    );
    const encoder = call.encoder({ id: 'resp_1', created: 1, model: 'm', arrivedAt: 0, now: () => 0 });
    const event = {
      type: 'tool-call',
      id: 'c',
      name: 'f',
      arguments: `{"a":"${'x'.repeat(5 * 1024 * 1024)}"}`,
    } as const;
    for (let calls = 0; calls < 3; calls += 1) encoder.write(event, 0);
    assert.throws(() => encoder.write(event, 0), { code: 'upstream_protocol_error' });
  });

  test('names truncation by its own name where the upstream cannot truncate', async () => {
    await using upstream = await openaiUpstream(saying('x'));
    await using gateway = await testGateway(upstream, { upstream: openai });
    const response = await post(gateway, '/v1/responses', { model: 'scripted', input: 'hi', truncation: 'auto' });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'truncation');
  });
});
