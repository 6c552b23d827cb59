import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { countValues } from '../../src/framing/depth.ts';
import { doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { testGateway } from '../helpers/gateway.ts';
import { counting, endpoints, tester } from '../limits/limited.ts';

type Body = Readonly<Record<string, unknown>>;

const nested = (depth: number, [open, close] = ['[', ']']): string => open.repeat(depth) + close.repeat(depth);

/** Adds a nested unknown field to a body, so that the whole JSON has this depth. */
function deepBody(body: Body, depth: number): string {
  return `${JSON.stringify(body).slice(0, -1)},"x_unknown":${nested(depth - 1)}}`;
}

suite('the depth of a request body', () => {
  const routes = [...endpoints, { path: '/api/show', dialect: 'ollama', body: { model: 'scripted-plain:latest' } }];

  test('is limited on every route, translated or passed through', async () => {
    await using native = await fakeUpstream(counting(3, 3));
    await using translated = await openaiUpstream(saying('hi'), ['scripted-plain:latest']);
    const upstreams = [
      { upstream: native, config: {} },
      { upstream: translated, config: { kind: 'openai' as const, url: translated.url } },
    ];
    for (const { upstream, config } of upstreams) {
      await using gateway = await testGateway(upstream, { upstream: config, limits: { depth: 32 } });
      for (const { path, dialect, body } of routes) {
        const response = await gateway.fetch(path, { method: 'POST', body: deepBody(body, 33) });
        const text = await response.text();
        assert.equal(response.status, 400, `${path}: ${text}`);
        const { error } = JSON.parse(text) as { error: string | { message: string; type: string } };
        const message = typeof error === 'string' ? error : error.message;
        assert.equal(message, 'The request body is nested too deeply: more than 32 deep.', path);
        assert.equal(typeof error === 'string', dialect === 'ollama', path);
        if (typeof error !== 'string') assert.equal(error.type, 'invalid_request_error');
      }
      assert.deepEqual(upstream.requests, []);
      await (await gateway.fetch('/api/chat', { method: 'POST', body: deepBody(endpoints[6]?.body ?? {}, 32) })).text();
      assert.equal(upstream.requests.length, 1);
    }
  });

  test('is limited before 16 MiB of brackets are parsed', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const path of ['/v1/chat/completions', '/api/chat', '/api/show']) {
      const started = performance.now();
      const response = await gateway.fetch(path, { method: 'POST', body: '['.repeat(16 << 20) });
      await response.text();
      assert.equal(response.status, 400);
      assert.ok(performance.now() - started < 3_000, 'V8 alone would take longer to parse it');
    }
  });

  test('is limited to less than 20,000 by default', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const body = `{"model":"scripted-plain","messages":[{"role":"user","content":"x"}],"options":{"a":${nested(20_000)}}}`;
    const response = await gateway.fetch('/v1/chat/completions', { method: 'POST', body });
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as { error: { message: string } };
    assert.match(error.message, /nested too deeply/);
  });

  test('is limited in the arguments of a tool call, which are JSON in a string', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const call = { id: 'a', type: 'function', function: { name: 'f', arguments: `{"a":${nested(1 << 20)}}` } };
    const response = await gateway.chat({
      messages: [
        { role: 'assistant', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'a', content: 'x' },
      ],
    });
    // They stay in the client's history, so they are not an error; but they are not parsed either.
    assert.equal(response.status, 200, await response.text());
    assert.match(upstream.requests.at(-1)?.body ?? '', /"arguments":\{"arguments":"\{\\"a\\":\[\[/);
  });

  for (const [json, depth] of [
    ['1', 0],
    ['"["', 0],
    ['"\\"[["', 0],
    ['"\\\\"', 0],
    ['["\\\\",[]]', 2],
    ['["\\\\\\"[[",[]]', 2],
    ['[[],[],{}]', 2],
    ['{"[[":{"{":[]}}', 3],
    [`["${'x'.repeat(500)}[[[",[[]]]`, 3],
    [`["${'x'.repeat(500)}\\"[[[",[[]]]`, 3],
    [`["${'\\\\'.repeat(200)}",[[]]]`, 3],
    [`["${'x'.repeat(63)}\\"[[[[[[",[]]`, 2],
    [`["${'x'.repeat(64)}\\"[[[[[[",[]]`, 2],
    [`["${'x'.repeat(500)}${'\\\\'.repeat(33)}",[[]]]`, 3],
    [`["${'x'.repeat(500)}${'\\\\'.repeat(33)}\\"[[[[[",[[]]]`, 3],
    ['["śŝ[",[]]', 2],
    ['["[[[[', 1],
  ] as const) {
    test(`is ${depth} for ${json.slice(0, 24)} (${json.length} characters)`, () => {
      const bytes = Buffer.from(json);
      const limits = { values: 1_000, fields: 1_000 };
      assert.notEqual(countValues(bytes, { ...limits, depth }), 'depth');
      if (depth > 0) assert.equal(countValues(bytes, { ...limits, depth: depth - 1 }), 'depth');
    });
  }
});

suite('Object.prototype', () => {
  const poison =
    '"__proto__":{"polluted":"yes","stream":true,"model":"evil"},"constructor":{"prototype":{"polluted":"yes"}}';
  /** Adds these fields at the top, in options, in messages and in tools, as names and as values. */
  const poisoned = (body: Body): string => {
    const whole = {
      ...body,
      MESSAGES: 0,
      options: 'P',
      metadata: 'P',
      tools: [
        {
          type: 'function',
          name: '__proto__',
          function: { name: '__proto__', parameters: { type: 'object', properties: 'P', required: ['__proto__'] } },
          input_schema: { type: 'object', properties: 'P' },
          parameters: { type: 'object', properties: 'P' },
        },
      ],
      tool_choice: 'auto',
      response_format: {
        type: 'json_schema',
        json_schema: { name: '__proto__', schema: { type: 'object', $defs: 'P' } },
      },
    };
    const { MESSAGES: _, ...rest } = whole;
    return `{${poison},${JSON.stringify(rest).replaceAll('"P"', `{${poison}}`).slice(1)}`;
  };

  test('is not changed by a request body of any API, nor by the answer of an upstream', async () => {
    const answer: Answer = (res, { url }) => {
      if (url === '/api/embed') {
        res.end('{"model":"m","embeddings":[[1]],"__proto__":{"polluted":"yes"}}');
        return;
      }
      ndjson(res);
      const line = doneLine({ message: { role: 'assistant', content: 'hi', tool_calls: [] }, response: 'hi' });
      res.end(`{${poison.replace('"stream":true,', '')},${line.slice(1)}`);
    };
    await using native = await fakeUpstream(answer);
    await using translated = await openaiUpstream(saying('hi'), ['scripted-plain:latest']);
    const aliases = { constructor: 'scripted-plain:latest', toString: 'scripted-plain:latest' };
    for (const [upstream, config] of [
      [native, {}],
      [translated, { kind: 'openai' as const, url: translated.url }],
    ] as const) {
      await using gateway = await testGateway(upstream, {
        upstream: config,
        aliases,
        keys: [tester],
        validate_json: true,
      });
      for (const { path, body, streams } of endpoints) {
        for (const stream of streams ? [false, true] : [false]) {
          const sent = poisoned(streams ? { ...body, stream } : body);
          const response = await gateway.fetch(path, { method: 'POST', body: sent });
          const text = await response.text();
          assert.ok(response.status < 500 || response.status === 502, `${path}: ${response.status} ${text}`);
          assert.doesNotMatch(text, /internal_error|failed to handle/, path);
        }
        // A property name of every object is an unknown model like any other.
        for (const model of ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf']) {
          const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ ...body, model }) });
          const text = await response.text();
          assert.doesNotMatch(text, /internal_error|failed to handle|\[native code\]/, `${path} ${model}`);
        }
      }
      for (const { model, body } of upstream.requests.map((request) => ({
        body: request.body,
        model: (JSON.parse(request.body) as { model?: unknown }).model,
      }))) {
        assert.equal(typeof model, 'string', body);
        assert.notEqual(model, 'evil');
      }
      assert.equal(gateway.log.filter(({ error }) => error === 'internal_error').length, 0);
    }
    const plain: Record<string, unknown> = {};
    assert.equal(plain['polluted'], undefined);
    assert.equal((Function.prototype as unknown as Record<string, unknown>)['polluted'], undefined);
    assert.deepEqual(Object.keys(Object.prototype), []);
    assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).includes('polluted'), false);
  });

  test('is not read from the parameters of a query', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const query of ['__proto__=1', 'by=__proto__', 'by=constructor', 'constructor[prototype][x]=1']) {
      const response = await gateway.fetch(`/v1/usage?${query}`);
      await response.text();
      assert.equal(response.status, 400, query);
    }
  });
});

suite('response headers', () => {
  const evil = 'x\r\nset-cookie: evil=1\r\n\r\nHTTP/1.1 200 OK';

  test('contain no line break that a client or an upstream sends', async () => {
    await using upstream = await fakeUpstream((res, { body }) => {
      if (body.includes('unknown')) {
        res.writeHead(404).end(JSON.stringify({ error: `model ${evil} not found` }));
        return;
      }
      ndjson(res);
      const call = { function: { name: evil, arguments: { [evil]: evil } } };
      res.end(doneLine({ model: evil, message: { role: 'assistant', content: '', tool_calls: [call] } }));
    });
    await using gateway = await testGateway(upstream);
    const seen: [string, Response][] = [];
    for (const { path, body, streams } of endpoints) {
      for (const fields of [
        { [evil]: 1, user: evil, metadata: { [evil]: evil } },
        { model: `unknown${evil}` },
        { tools: [{ type: 'function', function: { name: evil, parameters: {} }, name: evil, input_schema: {} }] },
        { keep_alive: evil, stop: evil, format: evil },
      ]) {
        const sent = { ...body, ...fields, ...(streams && { stream: true }) };
        seen.push([path, await gateway.fetch(path, { method: 'POST', body: JSON.stringify(sent) })]);
      }
    }
    seen.push(['/v1/models', await gateway.fetch(`/v1/models/${encodeURIComponent(evil)}`)]);
    for (const id of ['a b', 'é', 'x'.repeat(129), '{"a":1}', '<script>', 'a,b', '"']) {
      const response = await gateway.fetch('/v1/models', {
        headers: { 'x-request-id': Buffer.from(id).toString('latin1') },
      });
      seen.push([`the id ${id}`, response]);
      assert.match(response.headers.get('x-request-id') ?? '', /^req_[0-9a-f]{32}$/, id);
    }
    for (const [what, response] of seen) {
      await response.text();
      assert.ok(response.status < 500 || response.status === 502, `${what}: ${response.status}`);
      assert.equal(response.headers.get('set-cookie'), null, what);
      for (const [name, value] of response.headers) {
        assert.match(name, /^[a-z-]+$/);
        assert.match(value, /^[\x20-\x7e]*$/, `${what}: ${name}`);
      }
    }
    assert.equal(gateway.log.filter(({ error }) => error === 'internal_error').length, 0);
    assert.doesNotMatch(await (await gateway.fetch('/metrics')).text(), /evil/);
  });

  test('have the security headers on every response', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const responses = await Promise.all([
      gateway.chat(),
      gateway.chat({ stream: true }),
      gateway.chat({ model: 7 }),
      gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify(endpoints[6]?.body) }),
      ...['/', '/v1/models', '/v1/usage', '/metrics', '/healthz', '/readyz', '/nothing'].map(
        async (path) => await gateway.fetch(path),
      ),
      gateway.fetch('/v1/models', { headers: { authorization: 'Bearer wrong' } }),
      gateway.fetch('/v1/models', { method: 'PUT' }),
    ]);
    for (const response of responses) {
      await response.text();
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff', response.url);
      assert.equal(response.headers.get('cross-origin-resource-policy'), 'same-origin', response.url);
      const streamed = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
      assert.equal(response.headers.get('cache-control'), streamed ? 'no-cache' : 'no-store', response.url);
      assert.equal(response.headers.get('x-powered-by'), null);
      assert.equal(response.headers.get('server'), null);
    }
  });
});
