import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { matches, toPattern } from '../../src/policy/patterns.ts';
import { transportError } from '../../src/upstreams/http/client.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type SeenRequest, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

interface ErrorAnswer {
  error: { message: string; code: string; param: string };
}

const post = (body: string): RequestInit => ({ method: 'POST', body });
const tools = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));
const sentBody = (request: SeenRequest | undefined): Record<string, unknown> =>
  JSON.parse(request?.body ?? '{}') as Record<string, unknown>;

suite('several choices', () => {
  test('that break before the others begin break the answer, and nothing stays behind', async () => {
    for (const stream of [true, false]) {
      let count = 0;
      await using upstream = await fakeUpstream(async (res) => {
        count += 1;
        if (count === 1) {
          ndjson(res).write(chatLine('Hel'), () => res.socket?.end());
          return;
        }
        await until('the first to be gone', () => upstream.open <= 1);
        ndjson(res).end(chatLine('lo') + doneLine());
      });
      await using gateway = await testGateway(upstream);
      const response = await gateway.chat({ n: 2, stream });
      const text = await response.text();
      assert.match(text, /upstream_incomplete/);
      assert.doesNotMatch(text, /\[DONE\]/);
      await until('the exchange to end', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    }
  });

  test('stream from an upstream that serves one after the other', async () => {
    const waiting: (() => void)[] = [];
    let busy = false;
    await using upstream = await fakeUpstream(async (res) => {
      if (busy) await new Promise<void>((resolve) => waiting.push(resolve));
      busy = true;
      ndjson(res).write(chatLine('first'));
      await until('the client to have it', () => seen >= waiting.length);
      res.end(doneLine(), () => {
        busy = false;
        waiting.shift()?.();
      });
    });
    let seen = 0;
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ n: 2, stream: true });
    let text = '';
    for await (const piece of (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(
      new TextDecoderStream(),
    )) {
      text += piece;
      if (piece.includes('first')) seen += 1;
    }
    assert.match(text, /"index":0,"delta":\{"role".*"index":1,"delta":\{"role".*\[DONE\]\n\n$/s);
  });

  test('more than there may be are refused before they are made', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const body = JSON.stringify({
      model: 'scripted-plain',
      seed: 1,
      n: 128,
      prompt: Array.from({ length: 100_000 }, () => 'a'),
    });
    const response = await gateway.fetch('/v1/completions', post(body));
    assert.deepEqual([response.status, ((await response.json()) as ErrorAnswer).error.param], [400, 'prompt']);
  });

  test('whose second try fails end the tries of the others', async () => {
    const schema = { type: 'object', required: ['a'] };
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      if (count <= 3) ndjson(res).end(chatLine('{}') + doneLine());
      else ndjson(res).write(chatLine('{'));
    });
    await using gateway = await testGateway(upstream, { validate_json: true });
    const format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    assert.equal((await gateway.chat({ n: 2, response_format: format })).status, 502);
    await until('the other to end', () => upstream.open === 0);
  });

  test('whose second try is refused answers with the refusal', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      if (count === 1) ndjson(res).end(chatLine('{}') + doneLine());
      else res.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"model \'x\' not found"}');
    });
    await using gateway = await testGateway(upstream, { validate_json: true });
    const format = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', required: ['a'] } } };
    const response = await gateway.chat({ response_format: format });
    assert.deepEqual([response.status, ((await response.json()) as ErrorAnswer).error.code], [404, 'model_not_found']);
  });
});

suite('forced calls', () => {
  const answering = async (line: string, settings: object = {}): Promise<ErrorAnswer & { status: number }> => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).end(line + doneLine()));
    await using gateway = await testGateway(upstream, { ...settings });
    const choice = { type: 'function', function: { name: 'b' } };
    const response = await gateway.chat({ tools, tool_choice: choice, stream: true });
    return { status: response.status, ...((await response.json()) as ErrorAnswer) };
  };

  test('of another tool, of none, or without arguments are errors', async () => {
    const native = chatLine('', {
      message: { role: 'assistant', content: '', tool_calls: [{ function: { name: 'a', arguments: {} } }] },
    });
    for (const line of [
      native,
      chatLine('{"name":"zzz","arguments":{}}'),
      chatLine('{"name":"b","arguments":"oops"}'),
    ]) {
      const { status, error } = await answering(line);
      assert.deepEqual([status, error.code], [502, 'upstream_error'], line);
    }
  });

  test('without end are given up', async () => {
    const { status, error } = await answering(chatLine(' '.repeat(3000)).repeat(2), { limits: { line: '4KiB' } });
    assert.deepEqual([status, error.code], [502, 'upstream_protocol_error']);
  });
});

suite("the operator's rules and a key's models", () => {
  const settings = { models: [{ match: '*', pin: { num_ctx: 8 }, max_tokens: 3, system_prepend: 'S' }] };

  test('hold whatever is written after the JSON, and in every spelling that Go takes', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, settings);
    const body = '{"model":"scripted-plain","messages":[{"role":"user","content":"hi"}]}';
    assert.equal((await gateway.fetch('/api/chat', post(`${body} junk`))).status, 400);
    const long =
      '{"model":"scripted-plain","options":{},"optionſ":{"num_predict":8},"meſſages":[{"role":"user","content":"hi"}]}';
    await gateway.fetch('/api/chat', post(long));
    const sent = sentBody(upstream.requests[0]);
    assert.deepEqual(sent['options'], { num_ctx: 8, num_predict: 3 });
    assert.deepEqual((sent['messages'] as unknown[]).length, 2);
    assert.deepEqual(Object.keys(sent).toSorted(), ['messages', 'model', 'options']);
  });

  test('lower a limit that a client set by options, never raise it', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { models: [{ match: '*', max_tokens: 5 }] });
    for (const [asked, told] of [
      [2, 2],
      [-1, 5],
      [50, 5],
    ]) {
      await gateway.chat({ options: { num_predict: asked } });
      assert.deepEqual(sentBody(upstream.requests.at(-1))['options'], { num_predict: told });
    }
  });

  test('see the default model on every route', async () => {
    await using upstream = await fakeUpstream(plainAnswer(), ['mine:latest', 'theirs:latest']);
    const keys = [{ name: 'a', hash: hashSecret(secret), models: ['mine'] }];
    await using gateway = await testGateway(upstream, { default_model: 'theirs', keys });
    for (const path of ['/api/chat', '/api/show', '/api/generate']) {
      assert.equal((await gateway.fetch(path, post('{}'))).status, 403, path);
    }
    await using open = await testGateway(upstream, { default_model: 'theirs' });
    await open.fetch('/api/chat', post('{"messages":[]}'));
    assert.deepEqual(sentBody(upstream.requests[0]), { messages: [], model: 'theirs' });
  });

  test('patterns take time that grows with the name alone', () => {
    const pattern = toPattern('*a*a*a*a*a*b');
    assert.equal(matches(pattern, 'a'.repeat(1_000_000)), false);
    for (const [text, name, expected] of [
      ['*', '', true],
      ['a*', 'a', true],
      ['a*a', 'a', false],
      ['*:4b', 'qwen3:4b', true],
      ['q*3*b', 'qwen3:4b', true],
      ['q*3*4b*b', 'qwen3:4b', false],
      ['Llama3', 'llama3:LATEST', true],
      ['a.c', 'abc', false],
    ] as const) {
      assert.equal(matches(toPattern(text), name), expected, `${text} ${name}`);
    }
  });

  test('strict also refuses what a model cannot follow', async () => {
    const refusal = { error: '"scripted-plain" does not support thinking' };
    await using upstream = await fakeUpstream((res) => void res.writeHead(400).end(JSON.stringify(refusal)));
    await using gateway = await testGateway(upstream, { strict: true });
    assert.equal((await gateway.chat({ reasoning_effort: 'high' })).status, 400);
  });
});

suite('errors', () => {
  test('a question that takes too long is a 504', () => {
    const { code, status } = transportError(new DOMException('too late', 'TimeoutError'), 'before its answer');
    assert.deepEqual([code, status], ['upstream_timeout', 504]);
  });

  test('what is nested too deeply is a 400', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    const body = `{"model":"scripted-plain","messages":[{"role":"user","content":"x"}],"options":{"a":${deep}}}`;
    const response = await gateway.fetch('/v1/chat/completions', post(body));
    assert.equal(response.status, 400);
    assert.match(((await response.json()) as ErrorAnswer).error.message, /nested too deeply/);
  });

  test('failures that pass through are counted', async () => {
    await using upstream = await fakeUpstream((res) => void res.writeHead(500).end('{"error":"boom"}'));
    await using gateway = await testGateway(upstream);
    await (await gateway.fetch('/api/chat', post('{"model":"scripted-plain"}'))).text();
    assert.equal(await gateway.metric('llamaduct_upstream_errors_total{upstream="ollama",code="upstream_error"}'), 1);
  });

  test('an empty stop is a 400, an empty list of them none', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const stop of ['', ['']]) assert.equal((await gateway.chat({ stop })).status, 400);
    await gateway.chat({ stop: [] });
    assert.equal(sentBody(upstream.requests[0])['options'], undefined);
  });

  test('a body under way ends with the service', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { timeouts: { grace: '20ms' } });
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"model":')) });
    const response = gateway.fetch('/v1/chat/completions', { method: 'POST', body, duplex: 'half' });
    await until('the request to begin', async () => (await gateway.metric('llamaduct_in_flight')) === 2);
    const closed = gateway.close();
    assert.equal((await response).status, 503);
    await closed;
  });
});
