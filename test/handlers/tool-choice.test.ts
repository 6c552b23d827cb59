import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { replay } from '../helpers/replay.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

const weather = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [
  { type: 'function', function: { name: 'get_weather', parameters: weather } },
  { type: 'function', function: { name: 'get_time', parameters: { $ref: '#/$defs/zone', $defs: { zone: weather } } } },
];
const callOf = (name: string, args: object): object => ({
  type: 'object',
  properties: { name: { enum: [name] }, arguments: args },
  required: ['name', 'arguments'],
  additionalProperties: false,
});

interface Completion {
  choices: {
    finish_reason: string;
    message: { content: string | null; tool_calls?: { id: string; function: { name: string; arguments: string } }[] };
  }[];
}

/** Says `text` a few characters at a time. */
const saying =
  (text: string, done: object = {}): Parameters<typeof fakeUpstream>[0] =>
  (res) => {
    ndjson(res);
    for (const piece of text.match(/.{1,5}/gs) ?? []) res.write(chatLine(piece));
    res.end(doneLine(done));
  };

suite('tool_choice', () => {
  const forced: [unknown, object][] = [
    [{ type: 'function', function: { name: 'get_weather' } }, callOf('get_weather', weather)],
    ['required', { anyOf: [callOf('get_weather', weather), callOf('get_time', weather)] }],
  ];
  for (const [choice, format] of forced) {
    test(`${JSON.stringify(choice)} lets the sampler write nothing but a call`, async () => {
      await using upstream = await fakeUpstream(
        saying('{"name":"get_weather","arguments":{"city":"Oslo","id":9007199254740993}}'),
      );
      await using gateway = await testGateway(upstream);
      const body = (await (await gateway.chat({ tools, tool_choice: choice })).json()) as Completion;
      const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { format: object; tools: object[] };
      assert.deepEqual(sent.format, format);
      assert.equal(sent.tools.length, 2);
      const [only] = body.choices;
      assert.equal(only?.finish_reason, 'tool_calls');
      assert.equal(only.message.content, null);
      assert.deepEqual(
        only.message.tool_calls?.map((call) => call.function),
        [{ name: 'get_weather', arguments: '{"city":"Oslo","id":9007199254740993}' }],
      );
      assert.match(only.message.tool_calls?.[0]?.id ?? '', /^call_[0-9a-f]{24}$/);
      const text = await (await gateway.chat({ tools, tool_choice: choice, stream: true })).text();
      assert.match(text, /"role":"assistant","content":null,"tool_calls":\[\{"index":0,/);
      assert.match(text, /"finish_reason":"tool_calls"/);
    });
  }

  test('a call that the model makes by itself passes as it is', async () => {
    await using upstream = await fakeUpstream(replay('ollama-0.17.4/chat-tools-tool-stream'));
    await using gateway = await testGateway(upstream);
    const body = (await (await gateway.chat({ tools, tool_choice: 'required' })).json()) as Completion;
    assert.deepEqual(
      body.choices[0]?.message.tool_calls?.map((call) => call.function.name),
      ['get_weather'],
    );
  });

  test('a forced call cut at its length is no call; one that is no JSON is an error', async () => {
    await using cut = await fakeUpstream(saying('{"name":"get_w', { done_reason: 'length' }));
    await using first = await testGateway(cut);
    const body = (await (await first.chat({ tools, tool_choice: 'required' })).json()) as Completion;
    assert.equal(body.choices[0]?.finish_reason, 'length');
    await using prose = await fakeUpstream(saying('I would rather not.'));
    await using second = await testGateway(prose);
    assert.equal((await second.chat({ tools, tool_choice: 'required' })).status, 502);
  });

  test('a model that knows no tools gets them in a system message', async () => {
    await using upstream = await fakeUpstream((res, { body }) => {
      if (!body.includes('"tools"')) return saying('{"name":"get_weather","arguments":{}}')(res, { body } as never);
      res.writeHead(400).end('{"error":"registry.ollama.ai/library/x:latest does not support tools"}');
    });
    await using gateway = await testGateway(upstream);
    const body = (await (await gateway.chat({ tools, tool_choice: 'required' })).json()) as Completion;
    assert.equal(body.choices[0]?.message.tool_calls?.[0]?.function.name, 'get_weather');
    const sent = JSON.parse(upstream.requests[1]?.body ?? '') as {
      messages: { role: string; content: string }[];
      format: object;
    };
    assert.equal(sent.messages[0]?.role, 'system');
    assert.match(sent.messages[0]?.content ?? '', /"get_weather".*"get_time"/s);
    assert.ok('anyOf' in sent.format);
    const auto = await gateway.chat({ tools });
    assert.equal(auto.status, 400, 'what is not forced is refused, not emulated');
  });

  test('allowed_tools sends only those', async () => {
    await using upstream = await fakeUpstream(saying('hi'));
    await using gateway = await testGateway(upstream);
    const allowed = { mode: 'auto', tools: [{ type: 'function', function: { name: 'get_time' } }] };
    await gateway.chat({ tools, tool_choice: { type: 'allowed_tools', allowed_tools: allowed } });
    const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { tools: { function: { name: string } }[] };
    assert.deepEqual(
      sent.tools.map((tool) => tool.function.name),
      ['get_time'],
    );
  });

  test('parallel_tool_calls: false keeps the first call', async () => {
    await using upstream = await fakeUpstream(replay('ollama-0.17.4/chat-tools-tool2-stream'));
    await using gateway = await testGateway(upstream);
    for (const [parallel, count] of [
      [true, 2],
      [false, 1],
    ] as const) {
      const body = (await (await gateway.chat({ tools, parallel_tool_calls: parallel })).json()) as Completion;
      assert.equal(body.choices[0]?.message.tool_calls?.length, count);
      assert.equal(body.choices[0]?.finish_reason, 'tool_calls');
    }
  });

  test('tools beside a response_format can still be called, and the answer follows the format', async () => {
    const schema = { type: 'object', properties: { a: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'integer' } } };
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    const said: [string, string | null, string][] = [
      ['{"a":1}', '{"a":1}', 'stop'],
      ['{"name":"get_time","arguments":{}}', null, 'tool_calls'],
      ['{"name":"nobody","arguments":{}}', '{"name":"nobody","arguments":{}}', 'stop'],
    ];
    for (const [text, content, reason] of said) {
      await using upstream = await fakeUpstream(saying(text));
      await using gateway = await testGateway(upstream);
      const body = (await (await gateway.chat({ tools, ...format })).json()) as Completion;
      assert.deepEqual([body.choices[0]?.message.content, body.choices[0]?.finish_reason], [content, reason]);
      const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { format: object };
      const answer = { type: 'object', properties: { a: { type: 'integer' } } };
      assert.deepEqual(sent.format, { anyOf: [callOf('get_weather', weather), callOf('get_time', weather), answer] });
    }
  });
});
