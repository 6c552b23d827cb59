import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../../src/errors.ts';
import { readChatCompletion } from '../../../src/protocols/openai/chat-completions/request.ts';
import { toOllama } from '../../../src/upstreams/ollama/request.ts';

const hi = [{ role: 'user', content: 'hi' }];

/** @returns the body that Ollama gets for a chat completion's body */
function native(body: object): Record<string, unknown> {
  const {
    requests: [request],
  } = readChatCompletion({ model: 'm', messages: hi, ...body });
  return JSON.parse(JSON.stringify(toOllama(request).body)) as Record<string, unknown>;
}

const nativeMessages = (messages: unknown[]): unknown => native({ messages })['messages'];

suite('a chat completion request becomes a request to Ollama that', () => {
  test('leaves out fields that are absent or null', () => {
    const minimal = { model: 'm', messages: hi, stream: true, truncate: false };
    assert.deepEqual(native({}), minimal);
    const nulls = Object.fromEntries(
      'temperature top_p seed stop max_tokens max_completion_tokens tools response_format reasoning_effort think logprobs options keep_alive stream stream_options frequency_penalty n'
        .split(' ')
        .map((field) => [field, null]),
    );
    assert.deepEqual(native(nulls), minimal);
  });

  const mapped: [string, object, object][] = [
    [
      'sampling',
      { temperature: 0, top_p: 0.5, seed: -3, frequency_penalty: -1, presence_penalty: 2 },
      { options: { temperature: 0, top_p: 0.5, seed: -3, frequency_penalty: -1, presence_penalty: 2 } },
    ],
    ['stop with a string', { stop: 'END' }, { options: { stop: ['END'] } }],
    ['stop with an array', { stop: ['a', 'b'] }, { options: { stop: ['a', 'b'] } }],
    ['max_tokens', { max_tokens: 7 }, { options: { num_predict: 7 } }],
    ['max_completion_tokens', { max_completion_tokens: 8 }, { options: { num_predict: 8 } }],
    [
      'max_tokens and max_completion_tokens: the smaller limit',
      { max_tokens: 7, max_completion_tokens: 8 },
      { options: { num_predict: 7 } },
    ],
    ['response_format text', { response_format: { type: 'text' } }, {}],
    ['response_format json_object', { response_format: { type: 'json_object' } }, { format: 'json' }],
    [
      'response_format json_schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } },
      { format: { type: 'object' } },
    ],
    ["Ollama's own format", { format: { type: 'array' } }, { format: { type: 'array' } }],
    ['reasoning_effort none', { reasoning_effort: 'none' }, { think: false }],
    ['reasoning_effort minimal', { reasoning_effort: 'minimal' }, { think: 'low' }],
    ['reasoning_effort high', { reasoning_effort: 'high' }, { think: 'high' }],
    ['think', { think: true }, { think: true }],
    ['logprobs', { logprobs: true, top_logprobs: 3 }, { logprobs: true, top_logprobs: 3 }],
    ['logprobs without top_logprobs', { logprobs: true }, { logprobs: true }],
    ['keep_alive', { keep_alive: '10m' }, { keep_alive: '10m' }],
    ['keep_alive with a number', { keep_alive: -1 }, { keep_alive: -1 }],
    [
      "Ollama's own options beside OpenAI's fields",
      { options: { num_ctx: 8192, temperature: 0.2 }, temperature: 0.2 },
      { options: { num_ctx: 8192, temperature: 0.2 } },
    ],
  ];
  for (const [name, body, expected] of mapped) {
    test(`has ${name}`, () =>
      assert.deepEqual(native(body), { model: 'm', messages: hi, stream: true, truncate: false, ...expected }));
  }

  test('has tools with their schemas, and none with tool_choice none', () => {
    const parameters = { type: 'object', properties: { a: { type: 'string', description: 'x' } }, required: ['a'] };
    const tools = [
      { type: 'function', function: { name: 'f', description: 'd', parameters, strict: true } },
      { type: 'function', function: { name: 'g' } },
    ];
    assert.deepEqual(native({ tools })['tools'], [
      { type: 'function', function: { name: 'f', description: 'd', parameters } },
      { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
    ]);
    assert.equal(native({ tools, tool_choice: 'none' })['tools'], undefined);
  });
});

suite('tool_choice of a chat completion request', () => {
  const tool = (name: string): object => ({ type: 'function', function: { name } });
  const allowed = (mode: string, ...names: string[]): object => ({
    type: 'allowed_tools',
    allowed_tools: { mode, tools: names.map(tool) },
  });
  const both = [{ name: 'f' }, { name: 'g' }];
  const cases: [choice: unknown, expected: object][] = [
    [undefined, { tools: both }],
    ['auto', { tools: both }],
    ['none', {}],
    ['required', { tools: both, toolChoice: 'required' }],
    [tool('g'), { tools: both, toolChoice: { name: 'g' } }],
    [allowed('auto', 'g'), { tools: [{ name: 'g' }] }],
    [allowed('required', 'f'), { tools: [{ name: 'f' }], toolChoice: 'required' }],
    [allowed('auto', 'h'), {}],
  ];
  for (const [choice, expected] of cases) {
    test(`${JSON.stringify(choice)} sends ${JSON.stringify(expected)}`, () => {
      const body = { model: 'm', messages: hi, tools: [tool('f'), tool('g')], tool_choice: choice };
      const [{ tools, toolChoice }] = readChatCompletion(body).requests;
      assert.deepEqual({ ...(tools && { tools }), ...(toolChoice && { toolChoice }) }, expected);
    });
  }
});

suite('the messages of a chat completion request', () => {
  test('have developer as system, and one text for all text parts', () => {
    assert.deepEqual(
      nativeMessages([
        { role: 'developer', content: 'be brief' },
        {
          role: 'system',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA' } },
            { type: 'text', text: 'y' },
          ],
        },
      ]),
      [
        { role: 'system', content: 'be brief' },
        { role: 'system', content: 'a\nb' },
        { role: 'user', content: 'x\ny', images: ['iVBORw0KGgoAAAANSUhEUgAA'] },
      ],
    );
  });

  test("have arguments as an object with all digits, and the tool's name in its result", () => {
    const call = (args: unknown): object => ({
      id: 'call_1',
      type: 'function',
      function: { name: 'f', arguments: args },
    });
    const result = { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: '18 C' }] };
    const {
      requests: [request],
    } = readChatCompletion({
      model: 'm',
      messages: [...hi, { role: 'assistant', content: null, tool_calls: [call('{"id":9007199254740993}')] }, result],
    });
    assert.match(JSON.stringify(toOllama(request).body), /"arguments":\{"id":9007199254740993\}/);
    assert.deepEqual(nativeMessages([...hi, { role: 'assistant', tool_calls: [call('{"a":1}')] }, result]), [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', function: { name: 'f', arguments: { a: 1 } } }] },
      { role: 'tool', content: '18 C', tool_call_id: 'call_1', tool_name: 'f' },
    ]);
    for (const nothing of ['', null, undefined, {}, '{}']) {
      const [, assistant] = nativeMessages([...hi, { role: 'assistant', tool_calls: [call(nothing)] }]) as {
        tool_calls: { function: object }[];
      }[];
      assert.deepEqual(assistant?.tool_calls[0]?.function, { name: 'f', arguments: {} });
    }
  });

  test('have an earlier answer unchanged, with its thinking under either name', () => {
    const earlierAnswer = {
      role: 'assistant',
      content: 'text',
      refusal: null,
      reasoning_content: 'why',
      reasoning: 'why',
      tool_calls: null,
      annotations: [],
      audio: null,
    };
    assert.deepEqual(nativeMessages([...hi, earlierAnswer, { role: 'assistant', content: [], reasoning: 'r' }]), [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'text', thinking: 'why' },
      { role: 'assistant', content: '', thinking: 'r' },
    ]);
  });
});

suite('the history of a chat completion request', () => {
  const former = { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"a":1}' } };
  const cases: [name: string, message: object, expected: object][] = [
    ['a role of one model', { role: 'Control', content: 'thinking' }, { role: 'control', content: 'thinking' }],
    ['a former call', former, { role: 'assistant', content: '', tool_calls: [{ function: { arguments: { a: 1 } } }] }],
    ['a former result', { role: 'function', name: 'f', content: 'x' }, { role: 'tool', content: 'x', tool_name: 'f' }],
    [
      'thinking in parts',
      { role: 'assistant', content: [{ type: 'thinking', thinking: 'a' }, 'b'] },
      { role: 'assistant', content: 'b', thinking: 'a' },
    ],
    [
      'a call in parts',
      { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] },
      { role: 'assistant', content: '', tool_calls: [{ id: 't', function: { name: 'f', arguments: {} } }] },
    ],
    [
      'nothing but a part that is passed over, in an answer',
      { role: 'assistant', content: [{ type: 'redacted_thinking', data: 'x' }] },
      { role: 'assistant', content: '' },
    ],
    [
      'nothing but a part that is passed over, in a question',
      { role: 'user', content: [{ type: 'hologram' }] },
      { role: 'user', content: '(left out: hologram)' },
    ],
    ['content that is no text', { role: 'user', content: 7 }, { role: 'user', content: '7' }],
    [
      'broken arguments',
      { role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"a":1,"b' } }, null] },
      { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] },
    ],
  ];
  for (const [name, message, expected] of cases) {
    test(`may have ${name}`, () => {
      const [, seen] = nativeMessages([...hi, message]) as object[];
      assert.partialDeepStrictEqual(seen, expected);
    });
  }
});

suite('a chat completion request is refused with a 400 for', () => {
  const bad: [string, unknown][] = [
    ['model', { model: 3, messages: hi }],
    ['messages', { model: 'm' }],
    ['messages', { model: 'm', messages: 'hi' }],
    ['messages', { model: 'm', messages: [] }],
    ['messages[0]', { messages: ['hi'] }],
    ['messages[0].role', { messages: [{ content: 'x' }] }],
    ['messages[0].role', { messages: [{ role: 7, content: 'x' }] }],
    ['temperature', { temperature: 'hot' }],
    ['stop', { stop: [1] }],
    ['stop', { stop: {} }],
    ['max_completion_tokens', { max_completion_tokens: 'ten' }],
    ['n', { n: 129 }],
    ['tool_choice', { tool_choice: 'required' }],
    [
      'tool_choice',
      {
        tool_choice: { type: 'function', function: { name: 'g' } },
        tools: [{ type: 'function', function: { name: 'f' } }],
      },
    ],
    ['tool_choice.type', { tool_choice: { type: 'web_search' } }],
    ['tool_choice.allowed_tools.mode', { tool_choice: { type: 'allowed_tools', allowed_tools: { tools: [] } } }],
    ['tool_choice.allowed_tools.tools', { tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto' } } }],
    [
      'tool_choice.allowed_tools.tools[0].function',
      { tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function' }] } } },
    ],
    ['tool_choice.function.name', { tool_choice: { type: 'function', function: {} } }],
    ['parallel_tool_calls', { parallel_tool_calls: 'no' }],
    ['hide_thinking', { hide_thinking: 1 }],
    ['stream', { stream: 'yes' }],
    ['stream_options', { stream_options: true }],
    ['stream_options.include_usage', { stream_options: { include_usage: 1 } }],
    ['tools', { tools: {} }],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tools[0].function.parameters', { tools: [{ type: 'function', function: { name: 'f', parameters: [1] } }] }],
    ['response_format.type', { response_format: { type: 'xml' } }],
    ['response_format.type', { response_format: { strict: true } }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: { name: 'x' } } }],
    ['format', { format: 'xml' }],
    [
      'format',
      {
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
        format: { type: 'array' },
      },
    ],
    ['reasoning_effort', { reasoning_effort: 7 }],
    ['options.temperature', { options: { temperature: 1 }, temperature: 0.2 }],
    ['options.top_k', { options: { top_k: 1 }, top_k: 2 }],
    ['think', { reasoning_effort: 'low', think: false }],
    ['reasoning_effort', { think: 'high', reasoning_effort: 'low' }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
    ['keep_alive', { keep_alive: {} }],
  ];
  for (const [param, body] of bad) {
    test(`${param} in ${JSON.stringify(body)}`, () => {
      const fullBody = {
        ...(param === 'model' || param === 'messages' ? {} : { model: 'm', messages: hi }),
        ...(body as object),
      };
      assert.throws(
        () => readChatCompletion(fullBody),
        (error) =>
          error instanceof GatewayError &&
          error.status === 400 &&
          error.param === param &&
          error.message.includes(param.split(/[.[]/, 1)[0] ?? ''),
      );
    });
  }

  for (const body of [null, [], 'text', 3]) {
    test(`the body ${JSON.stringify(body)}`, () => {
      assert.throws(
        () => readChatCompletion(body),
        (error) => error instanceof GatewayError && error.status === 400,
      );
    });
  }
});

suite('the dropped fields of a chat completion request', () => {
  const dropped = (body: object): readonly string[] => {
    const { requests, dropped: names } = readChatCompletion({ model: 'm', messages: hi, ...body });
    return [...names, ...(requests[0].extra?.names ?? [])];
  };

  test('contain unsupported, nested and unknown fields', () => {
    const tools = [{ type: 'function', function: { name: 'f', strict: true } }];
    const image = { type: 'image_url', image_url: { url: 'https://example.org/a.png', detail: 'high' } };
    assert.deepEqual(dropped({ logit_bias: { 1: 2 }, user: 'me', service_tier: 'flex', store: true, frobnicate: 1 }), [
      'frobnicate',
      'logit_bias',
      'user',
      'service_tier',
      'store',
    ]);
    assert.deepEqual(dropped({ tools }), ['tools.function.strict']);
    assert.deepEqual(dropped({ messages: [{ role: 'user', name: 'bob', content: [image] }] }), [
      'messages.name',
      'messages.content.image_url.detail',
    ]);
  });

  test('do not contain fields with neutral values', () => {
    const neutral = {
      logit_bias: {},
      user: null,
      service_tier: 'auto',
      store: false,
      metadata: {},
      n: 1,
      functions: [],
    };
    assert.deepEqual(dropped(neutral), []);
    assert.deepEqual(dropped({ messages: [{ role: 'tool', name: 'f', content: 'x' }] }), []);
  });
});

test('n makes that many requests, each with another seed if there is one', () => {
  const seeds = (body: object): unknown[] =>
    readChatCompletion({ model: 'm', messages: hi, ...body }).requests.map(({ sampling }) => sampling.seed);
  assert.deepEqual(seeds({ n: 3, seed: 7 }), [7, 8, 9]);
  assert.deepEqual(seeds({ n: 2 }), [undefined, undefined]);
});
