import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { ollamaField, ollamaModelIn } from '../helpers/faithful-ollama/ollama-name.ts';
import { sendJson } from '../helpers/answers.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, type SeenRequest, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const models = ['plain:latest', 'secret:latest', 'tiny:latest'];
const messages = [{ role: 'user', content: 'hi' }];
const nativeRoutes = ['/api/chat', '/api/generate', '/api/embed', '/api/embeddings', '/api/show'];
const routes = [...nativeRoutes, '/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/embeddings'];

function keyOf(more: object = {}): object {
  return { name: 'limited', hash: hashSecret(secret), ...more };
}

async function ollama(): Promise<FakeUpstream> {
  return await fakeUpstream(plainAnswer(), models);
}

async function post(gateway: TestGateway, path: string, body: string | object): Promise<Response> {
  return await gateway.fetch(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
}

/** A body that every route takes. */
function bodyOf(model: string): object {
  return { model, messages, input: 'hi', max_tokens: 10, stream: false };
}

/** The models that Ollama ran or showed, in full. */
function reached({ requests }: FakeUpstream): (string | undefined)[] {
  return requests.filter(({ method }) => method === 'POST').map(({ body }) => ollamaModelIn(body));
}

const home = 'registry.ollama.ai/library';

describe('a key that is limited to a model', () => {
  const limited = { keys: [keyOf({ models: ['plain*'] })] };

  test('reaches it by every name that Ollama knows it by', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    for (const path of routes) {
      for (const name of [
        'plain',
        'PLAIN:latest',
        'library/plain',
        `${home}/plain`,
        `https://${home}/plain`,
        ' plain\n',
        'plain:local',
        'ollama/plain',
        'ollama_chat/plain',
      ]) {
        const { status } = await post(gateway, path, bodyOf(name));
        assert.ok(status === 200 || status === 502, `${path} ${name} ${status}`);
        assert.equal(reached(upstream).at(-1), `${home}/plain:latest`, `${path} ${name}`);
      }
    }
  });

  test('reaches no other by a name that begins as its pattern wants', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    for (const path of routes) {
      for (const [name, expected] of [
        ['secret', 403],
        [`plain://${home}/secret`, 400],
        [`plain://${home}/secret:latest`, 400],
        [`plain/x://${home}/secret`, 400],
        [`https://${home}/secret`, 403],
        ['library/secret', 403],
        ['ollama/secret', 403],
        ['plain\u0000', 400],
        ['plain'.repeat(200), 400],
        ['plain\nsecret', 400],
      ] as const) {
        const response = await post(gateway, path, bodyOf(name));
        const text = await response.text();
        assert.equal(response.status, expected, `${path} ${name} ${text}`);
        assert.ok(text.length < 1000, text);
      }
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('does not reach another by the prefix of LiteLLM, whatever its pattern says of it', async () => {
    await using upstream = await ollama();
    for (const pattern of ['ol*', 'ollama/*', '*/secret', 'library/p*'.slice(0, 3).concat('*')]) {
      await using gateway = await testGateway(upstream, { keys: [keyOf({ models: [pattern] })] });
      for (const path of ['/api/chat', '/v1/chat/completions']) {
        assert.equal((await post(gateway, path, bodyOf('ollama/secret'))).status, 403, `${pattern} ${path}`);
      }
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('may use an alias by the name of the alias', async () => {
    await using upstream = await ollama();
    const settings = { aliases: { 'gpt-4o': 'library/secret', '4o': 'secret' }, keys: [keyOf({ models: ['gpt-*'] })] };
    await using gateway = await testGateway(upstream, settings);
    for (const path of ['/api/chat', '/v1/chat/completions']) {
      for (const name of ['gpt-4o', 'GPT-4o', 'ollama/gpt-4o', 'gpt-4o:latest']) {
        assert.equal((await post(gateway, path, bodyOf(name))).status, 200, name);
        assert.equal(reached(upstream).at(-1), `${home}/secret:latest`);
      }
      for (const name of ['4o', 'secret', 'gpt-5']) {
        const { status } = await post(gateway, path, bodyOf(name));
        assert.equal(status, name === 'gpt-5' ? 200 : 403, name);
      }
    }
  });

  test('is refused a body whose model may be read in two ways, with the name of the field', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    for (const path of nativeRoutes) {
      for (const json of [
        '{"model":"secret","model":null}',
        '{"model":"secret","model":"plain"}',
        '{"model":"secret","mod\\u0065l":"plain"}',
        '{"name":"secret","name":null,"model":"plain"}',
        '{"model":"plain","options":{"num_predict":40,"num_predict":1}}',
        '{"model":"plain","messages":[{"role":"user","content":"long","content":null}]}',
      ]) {
        const response = await post(gateway, path, json);
        const { error } = (await response.json()) as { error: string };
        assert.equal(response.status, 400, json);
        assert.match(error, /has the field (model|name|options\.num_predict|messages\.content) twice/);
      }
      for (const json of ['{"model":"secret","MODEL":null}', '{"MODEL":"secret","model":"plain"}']) {
        assert.equal((await post(gateway, path, json)).status, 403, json);
      }
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('does not hide a model behind an escape in a name that V8 reads otherwise', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    // V8 13.6 takes the name for the one that it has seen in its place.
    for (let time = 0; time < 5; time += 1) {
      await post(gateway, '/api/chat', '{"stream":false,"mod\\\\u":"plain"}');
      await post(gateway, '/api/chat', '{"model":"plain","na\\\\u":"plain"}');
    }
    for (const path of nativeRoutes) {
      await post(gateway, path, '{"stream":false,"mod\\u0065l":"secret"}');
      await post(gateway, path, '{"model":"plain","na\\u006de":"secret"}');
      await post(gateway, path, '{"model":"","na\\u006de":"secret"}');
    }
    assert.ok(!reached(upstream).includes(`${home}/secret:latest`));
  });

  test('sends what it read of bytes that are not UTF-8', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    const body = Buffer.from('{"model":"plain\u00ff","messages":[]}', 'latin1');
    await gateway.fetch('/api/chat', { method: 'POST', body });
    assert.equal(upstream.requests[0]?.body, '{"model":"plain\ufffd","messages":[]}');
  });

  test('sends what it read when the client says that it is in another character set', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    const headers = { 'content-type': 'application/json; charset=utf-7' };
    await gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify(bodyOf('plain')), headers });
    assert.equal(upstream.requests[0]?.headers['content-type'], 'application/json');
  });

  test('reaches no other by any of many bodies and names', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, limited);
    const pieces = `plain secret library registry.ollama.ai ollama / / : : :// https local latest cloud - .`.split(' ');
    const name = fc
      .array(fc.constantFrom(...pieces, ' ', '\t', '\\u0000', '\\ufeff'), { minLength: 1, maxLength: 9 })
      .map((parts) => `"${parts.join('')}"`);
    const value = fc.oneof(
      { weight: 4, arbitrary: name },
      fc.constantFrom('null', '"plain"', '"secret"', '1', '["secret"]'),
    );
    const field = fc.constantFrom(
      'model',
      'MODEL',
      'name',
      'Name',
      'mod\\u0065l',
      'mod\\\\u',
      'n\\u0061me',
      'modeſ',
      'x',
    );
    const members = fc.array(fc.tuple(field, value), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...nativeRoutes), members, async (path, list) => {
        const json = `{${list.map(([one, text]) => `"${one}":${text}`).join(',')}}`;
        const before = upstream.requests.length;
        const { status } = await post(gateway, path, json);
        assert.ok(status < 500 || status === 502, `${json} ${status}`);
        for (const { body } of upstream.requests.slice(before)) {
          const model = ollamaModelIn(body)?.replace(/^(cloud )?registry\.ollama\.ai\/(library\/)?/, '') ?? 'plain';
          assert.ok(model.startsWith('plain'), `${json} reached ${model}`);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('a rule for a model', () => {
  const rule = { match: 'tiny', max_tokens: 5, pin: { num_ctx: 2048 } };

  test('holds for every name of it, and every spelling of its fields', async () => {
    await using upstream = await ollama();
    for (const match of ['tiny', 'tiny*', 'library/tiny', `${home}/Tiny:latest`]) {
      await using gateway = await testGateway(upstream, { models: [{ ...rule, match }] });
      for (const name of [
        'tiny',
        'library/tiny',
        `${home}/tiny`,
        'TINY:latest',
        ' tiny',
        'tiny:local',
        'ollama/tiny',
      ]) {
        await post(gateway, '/v1/chat/completions', { ...bodyOf(name), max_tokens: 40 });
        for (const more of [
          '"options":{"num_predict":40,"num_ctx":65536}',
          '"OPTIONS":{"num_predict":40},"options":{"num_ctx":4096}',
          '"options":{"num_predict":-1}',
          '"options":{"num_predict":4e1,"num_ctx":65536.0}',
          '"options":null,"Options":{"num_predict":40}',
        ]) {
          await post(gateway, '/api/chat', `{"model":${JSON.stringify(name)},"stream":false,${more},"messages":[]}`);
        }
      }
    }
    for (const { body } of upstream.requests) {
      const { options } = JSON.parse(body) as { options: Record<string, unknown> };
      assert.deepEqual([options['num_predict'], options['num_ctx']], [5, 2048], body);
      assert.equal(ollamaField(body, 'options'), undefined, 'options are an object');
    }
    assert.ok(upstream.requests.length > 100);
  });

  test('keeps the number of tokens that a client asks for below it, however it is written', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream, { models: [rule] });
    for (const number of ['3', '3.0', '0.3e1']) {
      await post(gateway, '/api/chat', `{"model":"tiny","messages":[],"options":{"num_predict":${number}}}`);
      assert.equal((JSON.parse(upstream.requests.at(-1)?.body ?? '') as typeof options).options.num_predict, 3, number);
    }
    const options = { options: { num_predict: 0 } };
  });
});

describe('names in metrics, usage and lists', () => {
  test('are those of the server, whatever the client calls the model', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream);
    for (const name of ['tiny', 'library/TINY', `${home}/tiny:latest`, 'ollama/tiny', 'tiny:local']) {
      for (const path of ['/v1/chat/completions', '/api/chat']) await (await post(gateway, path, bodyOf(name))).text();
    }
    for (const route of ['/v1/chat/completions', '/api/chat']) {
      const labels = `route="${route}",key="tester",outcome="ok",model="tiny:latest",upstream="ollama"`;
      assert.equal(await gateway.metric(`llamaduct_requests_total{${labels}}`), 5);
    }
    const usage = (await (await gateway.fetch('/v1/usage')).json()) as { data: { name: string }[] };
    assert.deepEqual(
      usage.data.map(({ name }) => name),
      ['tiny:latest'],
    );
    for (const id of ['library/tiny', 'TINY', 'ollama%2Ftiny']) {
      assert.equal((await gateway.fetch(`/v1/models/${id}`)).status, 200, id);
    }
    assert.equal((await gateway.fetch(`/v1/models/${'x'.repeat(600)}`)).status, 400);
  });

  test('a repeated model is refused although no rule or limit depends on it', async () => {
    await using upstream = await ollama();
    await using gateway = await testGateway(upstream);
    assert.equal((await post(gateway, '/api/chat', '{"model":"plain","model":null}')).status, 400);
    const odd = '{ "x":1, "x":2,  "model":"plain", "messages":[] }';
    assert.equal((await post(gateway, '/api/chat', odd)).status, 200);
    assert.equal(upstream.requests[0]?.body, odd, 'other fields are the server’s');
  });
});

describe('servers with an OpenAI API', () => {
  const ids = ['Qwen/Qwen3-8B', 'ollama/llama3', 'library/foo', '/models/tiny.gguf', 'team:local', 's3://bucket/model'];
  const answer = (res: Parameters<Parameters<typeof openaiUpstream>[0]>[0]): void =>
    sendJson(res, 200, { object: 'chat.completion', choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] });
  const modelOf = ({ body }: SeenRequest): unknown => (JSON.parse(body) as { model: unknown }).model;

  test('get the ids that they list byte for byte, and keys are limited by those', async () => {
    await using upstream = await openaiUpstream(answer, ids);
    const settings = { upstream: { kind: 'openai' as const, url: upstream.url } };
    for (const limit of [undefined, ['Qwen/*', 'ollama/*', 'library/foo', '*.gguf', 'team:local', 's3:*']]) {
      await using gateway = await testGateway(upstream, { ...settings, keys: [keyOf(limit && { models: limit })] });
      for (const model of ids) {
        const sent = JSON.stringify({ model, messages });
        assert.equal((await post(gateway, '/v1/chat/completions', sent)).status, 200, model);
        assert.equal(upstream.requests.at(-1)?.body, sent);
      }
    }
    await using gateway = await testGateway(upstream, { ...settings, keys: [keyOf({ models: ['llama3', 'foo'] })] });
    const before = upstream.requests.length;
    for (const model of ids) {
      assert.equal((await post(gateway, '/v1/chat/completions', { model, messages })).status, 403, model);
    }
    assert.equal(upstream.requests.length, before);
  });

  test('beside an Ollama, an id that it would read as another name goes to the server that lists it', async () => {
    await using vllm = await openaiUpstream(answer, ids);
    await using other = await fakeUpstream(plainAnswer(), ['foo:latest', 'llama3:latest']);
    const upstreams = [
      { name: 'ollama', kind: 'ollama', url: other.url },
      { name: 'vllm', kind: 'openai', url: vllm.url },
    ] as const;
    await using gateway = await testGateway(upstreams, { keys: [keyOf({ models: ['l*/foo', 'ollama/*'] })] });
    for (const model of ['library/foo', 'ollama/llama3']) {
      for (const path of ['/v1/chat/completions', '/api/chat']) {
        const { status } = await post(gateway, path, { model, messages, stream: false });
        assert.ok(status === 200 || status === 502, `${path} ${model} ${status}`);
        const last = vllm.requests.at(-1);
        assert.equal(last && modelOf(last), model);
      }
    }
    for (const model of ['foo', 'llama3', `${home}/foo`]) {
      assert.equal((await post(gateway, '/api/chat', { model, messages })).status, 403, model);
    }
    assert.deepEqual(reached(other), []);
  });

  test('a body that names several models, or one twice, is not passed on as it is', async () => {
    await using upstream = await openaiUpstream(answer, ['plain', 'secret']);
    const settings = { upstream: { kind: 'openai' as const, url: upstream.url }, keys: [keyOf({ models: ['plain'] })] };
    await using gateway = await testGateway(upstream, settings);
    const rest = `"messages":${JSON.stringify(messages)}`;
    for (const json of [
      `{"model":"secret","model":"plain",${rest}}`,
      `{"model":"secret","model":null,${rest}}`,
      `{"model":"plain","n":1,"n":null,${rest}}`,
      `{"model":"plain","stream_options":{"include_usage":true,"include_usage":false},${rest}}`,
    ]) {
      assert.equal((await post(gateway, '/v1/chat/completions', json)).status, 400, json);
    }
    for (const more of ['"models":["secret"]', '"fallbacks":[{"plain":["secret"]}]', '"MODEL":"secret"']) {
      const { status } = await post(gateway, '/v1/chat/completions', `{"model":"plain",${more},${rest}}`);
      assert.equal(status, 403, more);
    }
    assert.deepEqual(upstream.requests, []);
  });
});

describe('a request that takes no body', () => {
  test('is passed on without one, however long the client says that it is', async () => {
    await using upstream = await fakeUpstream((res) => void res.end('{"version":"0.34.0"}'), models);
    await using gateway = await testGateway(upstream, { access: 'open' });
    const port = Number(new URL(gateway.url).port);
    for (const [method, head, body] of [
      ['GET', 'content-length: 5', 'hello'],
      ['HEAD', 'content-length: 5', 'hello'],
      ['GET', 'transfer-encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
      ['GET', 'content-length: 0', ''],
    ] as const) {
      const text = `${method} /api/version HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${head}\r\n\r\n${body}`;
      assert.match(await rawAnswer(port, text), /^HTTP\/1\.1 200 /, head);
      const sent = upstream.requests.at(-1);
      assert.deepEqual(
        [sent?.body, sent?.headers['content-length'], sent?.headers['transfer-encoding']],
        ['', undefined, undefined],
      );
    }
    assert.equal((await post(gateway, '/api/show', { model: 'plain' })).status, 200, 'the next request is its own');
  });
});

async function rawAnswer(port: number, text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (data) => (answer += data.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}
