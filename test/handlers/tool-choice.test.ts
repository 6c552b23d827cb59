import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { replay } from '../helpers/replay.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

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

/** Streams `text`, five characters a line. */
const answering =
  (text: string, done: object = {}): Answer =>
  (res) => {
    ndjson(res);
    for (const part of text.match(/.{1,5}/gs) ?? []) res.write(chatLine(part));
    res.end(doneLine(done));
  };

suite('tool_choice', () => {
  const forced: [unknown, object][] = [
    [{ type: 'function', function: { name: 'get_weather' } }, callOf('get_weather', weather)],
    ['required', { anyOf: [callOf('get_weather', weather), callOf('get_time', weather)] }],
  ];
  for (const [choice, format] of forced) {
    test(`restricts the sampler to a call: ${JSON.stringify(choice)}`, async () => {
      await using upstream = await fakeUpstream(
        answering('{"name":"get_weather","arguments":{"city":"Oslo","id":9007199254740993}}'),
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

  test('required passes on a call that the model makes in its own format', async () => {
    await using upstream = await fakeUpstream(replay('ollama-0.17.4/chat-tools-tool-stream'));
    await using gateway = await testGateway(upstream);
    const body = (await (await gateway.chat({ tools, tool_choice: 'required' })).json()) as Completion;
    assert.deepEqual(
      body.choices[0]?.message.tool_calls?.map((call) => call.function.name),
      ['get_weather'],
    );
  });

  test('required gives finish_reason length for a call cut at its length, and a 502 for prose', async () => {
    await using cut = await fakeUpstream(answering('{"name":"get_w', { done_reason: 'length' }));
    await using first = await testGateway(cut);
    const body = (await (await first.chat({ tools, tool_choice: 'required' })).json()) as Completion;
    assert.equal(body.choices[0]?.finish_reason, 'length');
    await using prose = await fakeUpstream(answering('I would rather not.'));
    await using second = await testGateway(prose);
    assert.equal((await second.chat({ tools, tool_choice: 'required' })).status, 502);
  });

  const half = '{ "name": "get_weather", "arguments": {"city": "Os';
  const requests: [what: string, path: string, body: object][] = [
    ['required', '/v1/chat/completions', { tools, tool_choice: 'required' }],
    ['beside a response_format', '/v1/chat/completions', { tools, response_format: { type: 'json_object' } }],
    [
      'beside a text.format',
      '/v1/responses',
      {
        input: 'hi',
        tools: [{ type: 'function', name: 'get_weather', parameters: weather }],
        text: { format: { type: 'json_schema', name: 'x', schema: { type: 'object', properties: { a: {} } } } },
      },
    ],
    [
      'of any tool',
      '/v1/messages',
      { max_tokens: 9, tools: [{ name: 'get_weather', input_schema: weather }], tool_choice: { type: 'any' } },
    ],
  ];
  for (const [what, path, body] of requests) {
    test(`half of a call ${what} is not content, and a whole one is a call, in ${path} cut at its length`, async () => {
      for (const stream of [false, true]) {
        for (const text of [half, `${half}lo"}}`]) {
          await using upstream = await fakeUpstream(answering(text, { done_reason: 'length' }));
          await using gateway = await testGateway(upstream);
          const messages = [{ role: 'user', content: 'hi' }];
          const sent = { model: 'scripted-plain', ...('input' in body ? {} : { messages }), ...body, stream };
          const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(sent) });
          const answer = await response.text();
          assert.equal(response.status, 200, answer);
          // Responses repeat the tools of the request.
          const said = answer.replaceAll(/"tools":\[.*?\],"tool_choice"/g, '');
          assert.equal(/get_weather.*Oslo|Oslo.*get_weather/s.test(said), text !== half, said);
          assert.equal(said.includes('Os'), text !== half, said);
          assert.match(said, /"length"|"max_tokens"|"max_output_tokens"/);
        }
      }
    });
  }

  test('required describes the tools in a system message to a model without tool support', async () => {
    await using upstream = await fakeUpstream((res, { body }) => {
      if (!body.includes('"tools"')) return answering('{"name":"get_weather","arguments":{}}')(res, { body } as never);
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
    assert.equal(auto.status, 200, 'tools that are not required are emulated, too');
  });

  test('allowed_tools sends only the allowed tools', async () => {
    await using upstream = await fakeUpstream(answering('hi'));
    await using gateway = await testGateway(upstream);
    const allowed = { mode: 'auto', tools: [{ type: 'function', function: { name: 'get_time' } }] };
    await gateway.chat({ tools, tool_choice: { type: 'allowed_tools', allowed_tools: allowed } });
    const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { tools: { function: { name: string } }[] };
    assert.deepEqual(
      sent.tools.map((tool) => tool.function.name),
      ['get_time'],
    );
  });

  test('auto keeps only the first call with parallel_tool_calls: false', async () => {
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

  test('auto with a response_format allows either a call or an answer in the format', async () => {
    const schema = { type: 'object', properties: { a: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'integer' } } };
    const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };
    const answers: [string, string | null, string][] = [
      ['{"a":1}', '{"a":1}', 'stop'],
      ['{"name":"get_time","arguments":{}}', null, 'tool_calls'],
      ['{"name":"nobody","arguments":{}}', '{"name":"nobody","arguments":{}}', 'stop'],
    ];
    for (const [text, content, reason] of answers) {
      await using upstream = await fakeUpstream(answering(text));
      await using gateway = await testGateway(upstream);
      const body = (await (await gateway.chat({ tools, ...format })).json()) as Completion;
      assert.deepEqual([body.choices[0]?.message.content, body.choices[0]?.finish_reason], [content, reason]);
      const sent = JSON.parse(upstream.requests[0]?.body ?? '') as { format: object };
      const answer = { type: 'object', properties: { a: { type: 'integer' } } };
      assert.deepEqual(sent.format, { anyOf: [callOf('get_weather', weather), callOf('get_time', weather), answer] });
    }
  });
});

suite('a tool_choice that names a function', () => {
  interface ErrorResponse {
    readonly status: number;
    readonly error: { readonly code: string };
  }

  async function errorOf(line: string, settings: object = {}): Promise<ErrorResponse> {
    await using upstream = await fakeUpstream((res) => void ndjson(res).end(line + doneLine()));
    await using gateway = await testGateway(upstream, { ...settings });
    const named = ['a', 'b'].map((name) => ({ type: 'function', function: { name } }));
    const response = await gateway.chat({ tools: named, tool_choice: named[1], stream: true });
    return { status: response.status, ...((await response.json()) as Pick<ErrorResponse, 'error'>) };
  }

  const callOfA = { role: 'assistant', content: '', tool_calls: [{ function: { name: 'a', arguments: {} } }] };
  for (const [answer, line] of [
    ['calls another function', chatLine('', { message: callOfA })],
    ['calls an unknown function', chatLine('{"name":"zzz","arguments":{}}')],
    ['is no call', chatLine('{"b":{}}')],
  ] as const) {
    test(`gives a 502 when the answer ${answer}`, async () => {
      const { status, error } = await errorOf(line);
      assert.deepEqual([status, error.code], [502, 'upstream_error']);
    });
  }

  for (const [answer, json, expected] of [
    ['text for arguments', '{"name":"b","arguments":"oops"}', 'oops'],
    ['arguments that break off', '{ "name": "b",\n"arguments": {"x": "re', '{"x": "re'],
  ] as const) {
    test(`passes on ${answer} as the text that they are`, async () => {
      await using upstream = await fakeUpstream(answering(json));
      await using gateway = await testGateway(upstream);
      const named = { type: 'function', function: { name: 'b' } };
      const body = (await (await gateway.chat({ tools: [named], tool_choice: named })).json()) as Completion;
      assert.equal(body.choices[0]?.message.tool_calls?.[0]?.function.arguments, expected);
    });
  }

  test('gives a 502 when the call is longer than `limits.line`', async () => {
    // White space, or anything else that repeats itself, would end the answer before.
    const text = Array.from({ length: 800 }, (_, index) => String(index)).join(' ');
    const { status, error } = await errorOf(chatLine(text).repeat(2), { limits: { line: '4KiB' } });
    assert.deepEqual([status, error.code], [502, 'upstream_protocol_error']);
  });
});
