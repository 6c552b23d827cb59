import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

/** Calls one function twice. */
const calling: Answer = (res) => {
  const call = { function: { name: 'get_weather', arguments: { city: 'Oslo' } } };
  const line = {
    model: 'm',
    created_at: '2026-01-01T00:00:00Z',
    message: { role: 'assistant', content: '', tool_calls: [call, call] },
    done: false,
  };
  ndjson(res).write(`${JSON.stringify(line)}\n`);
  res.end(doneLine());
};

const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const functions = [{ name: 'get_weather', description: 'Weather', parameters }];

suite('functions, the former name of tools', () => {
  test('reach the model as tools, and the call is answered as function_call', async () => {
    await using upstream = await fakeUpstream(calling);
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ functions, function_call: 'auto' });
    assert.equal(response.headers.get('x-llamaduct-dropped'), null);
    const { choices } = (await response.json()) as { choices: { finish_reason: string; message: object }[] };
    const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { tools: object[] };
    assert.partialDeepStrictEqual(sent.tools, [{ type: 'function', function: { name: 'get_weather' } }]);
    assert.equal(choices[0]?.finish_reason, 'function_call');
    assert.deepEqual(choices[0].message, {
      role: 'assistant',
      content: null,
      refusal: null,
      function_call: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
    });
  });

  test('are answered as function_call in a stream too', async () => {
    await using upstream = await fakeUpstream(calling);
    await using gateway = await testGateway(upstream);
    const text = await (await gateway.chat({ functions, stream: true })).text();
    assert.match(
      text,
      /"delta":\{"role":"assistant","content":null,"function_call":\{"name":"get_weather","arguments":"\{/,
    );
    assert.match(text, /"finish_reason":"function_call"/);
    assert.doesNotMatch(text, /tool_calls/);
  });

  test('may be forced or forbidden by function_call', async () => {
    await using upstream = await fakeUpstream(calling);
    await using gateway = await testGateway(upstream);
    await gateway.chat({ functions, function_call: 'none' });
    await gateway.chat({ functions, function_call: { name: 'get_weather' } });
    const [none, forced] = upstream.requests.map(
      ({ body }) => JSON.parse(body) as { tools?: unknown; format?: unknown },
    );
    assert.equal(none?.tools, undefined);
    assert.notEqual(forced?.format, undefined);
    for (const function_call of [{ name: 'other' }, 'sometimes', 7]) {
      const response = await gateway.chat({ functions, function_call });
      const { error } = (await response.json()) as { error: { param: string } };
      assert.equal(response.status, 400);
      assert.match(error.param, /^(function_call|tool_choice)$/);
    }
  });

  test('beside the same tools are those tools', async () => {
    await using upstream = await fakeUpstream(calling);
    await using gateway = await testGateway(upstream);
    const [definition] = functions;
    const body = {
      functions,
      tools: [{ type: 'function', function: definition }],
      function_call: 'auto',
      tool_choice: 'auto',
    };
    const { choices } = (await (await gateway.chat(body)).json()) as { choices: { finish_reason: string }[] };
    assert.equal(choices[0]?.finish_reason, 'tool_calls');
    assert.equal((JSON.parse(upstream.requests[0]?.body ?? '') as { tools: object[] }).tools.length, 1);
  });
});
