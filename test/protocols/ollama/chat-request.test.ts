import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../../src/errors.ts';
import { chat } from '../../../src/protocols/ollama/chat/index.ts';
import { type ParsedChat, readChat } from '../../../src/protocols/ollama/chat/request.ts';

const hi = [{ role: 'user', content: 'hi' }];
const png = 'iVBORw0KGgo=';

function read(body: object): ParsedChat {
  return readChat({ model: 'm', messages: hi, ...body });
}

/** @returns the request's fields besides the model and the messages */
function fieldsOf(body: object): object {
  const { kind: _kind, model: _model, messages: _messages, ...fields } = read(body).request;
  return fields;
}

suite('an /api/chat request', () => {
  test('leaves out fields that are absent, null or empty, and streams by default', () => {
    const nulls = Object.fromEntries(
      'stream tools think format options keep_alive logprobs top_logprobs truncate shift'
        .split(' ')
        .map((field) => [field, null]),
    );
    for (const body of [{}, nulls, { format: '', tools: [], options: {} }]) {
      assert.deepEqual(read(body), {
        request: { kind: 'chat', model: 'm', sampling: {}, messages: [{ role: 'user', text: 'hi', images: [] }] },
        stream: true,
        dropped: [],
      });
    }
    assert.equal(read({ stream: false }).stream, false);
  });

  const mapped: [string, object, object][] = [
    ['format json: any JSON object', { format: 'json' }, { sampling: {}, format: 'json' }],
    ['format with a JSON Schema', { format: { type: 'object' } }, { sampling: {}, format: { type: 'object' } }],
    ['think', { think: false }, { sampling: {}, think: false }],
    ['think with a level', { think: 'high' }, { sampling: {}, think: 'high' }],
    ['logprobs', { logprobs: true, top_logprobs: 3 }, { sampling: {}, logprobs: { top: 3 } }],
    ['keep_alive', { keep_alive: '10m' }, { sampling: {}, keepAlive: '10m' }],
    ['truncate', { truncate: false }, { sampling: {}, truncate: false }],
    [
      'options that other backends have too: sampling',
      {
        options: {
          temperature: 0,
          top_p: 0.5,
          seed: 7,
          stop: 'END',
          num_predict: 9,
          frequency_penalty: 1,
          presence_penalty: -1,
        },
      },
      {
        sampling: {
          temperature: 0,
          topP: 0.5,
          seed: 7,
          stop: ['END'],
          maxTokens: 9,
          frequencyPenalty: 1,
          presencePenalty: -1,
        },
      },
    ],
    [
      'other options: unchanged',
      { options: { num_ctx: 8192, top_k: 40, stop: ['a', 'b'] } },
      { sampling: { stop: ['a', 'b'] }, options: { num_ctx: 8192, top_k: 40 } },
    ],
    [
      'null options: left out',
      { options: { temperature: null, num_predict: null, num_ctx: null, stop: null, top_k: 40 } },
      { sampling: {}, options: { top_k: 40 } },
    ],
    ['options with their default values: left out', { options: { num_predict: -1, stop: [] } }, { sampling: {} }],
    ['num_predict 0: no limit', { options: { num_predict: 0 } }, { sampling: {} }],
  ];
  for (const [name, body, expected] of mapped) {
    test(`reads ${name}`, () => assert.deepEqual(fieldsOf(body), expected));
  }

  test('ignores the case of field names, and uses the last of two with the same name', () => {
    const { request, stream } = readChat({ Model: 'first', MODEL: 'last', Messages: hi, Stream: false });
    assert.equal(request.model, 'last');
    assert.equal(request.messages.length, 1);
    assert.equal(stream, false);
  });

  test('treats an option named __proto__ like any other option', () => {
    const { request } = readChat(JSON.parse('{"model":"m","options":{"__proto__":{"temperature":1}}}'));
    assert.deepEqual(request.sampling, {});
    assert.deepEqual(Object.keys(request.options ?? {}), ['__proto__']);
    assert.equal(({} as Record<string, unknown>)['temperature'], undefined);
  });

  test('reads messages of every role', () => {
    const { request } = read({
      messages: [
        { role: 'system', content: 's' },
        { role: 'developer', content: 'd' },
        { role: 'user', content: 'see', images: [png] },
        { role: 'user', content: null, images: null },
        { role: 'assistant', content: 'a', thinking: 't', images: [] },
        { role: 'assistant', tool_calls: [{ id: 'x', function: { name: 'f', arguments: { a: 1 } } }] },
        { role: 'tool', content: 'r', tool_call_id: 'x' },
      ],
    });
    assert.deepEqual(request.messages, [
      { role: 'system', text: 's' },
      { role: 'system', text: 'd' },
      { role: 'user', text: 'see', images: [{ base64: png }] },
      { role: 'user', text: '', images: [] },
      { role: 'assistant', text: 'a', reasoning: 't', toolCalls: [] },
      { role: 'assistant', text: '', reasoning: '', toolCalls: [{ id: 'x', name: 'f', arguments: { a: 1 } }] },
      { role: 'tool', text: 'r', callId: 'x', name: undefined },
    ]);
  });

  test('reads tools with and without a type', () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } } };
    const { request } = read({
      tools: [{ type: 'function', function: { name: 'f', description: 'd', parameters } }, { function: { name: 'g' } }],
    });
    assert.deepEqual(request.tools, [{ name: 'f', description: 'd', parameters }, { name: 'g' }]);
  });

  test('reports fields that have no effect as dropped', () => {
    const { dropped } = read({
      shift: true,
      _debug_render_only: true,
      tool_choice: 'required',
      temperature: 0.5,
      top_logprobs: 2,
      messages: [{ role: 'user', content: 'hi', name: 'me' }],
      tools: [{ type: 'function', function: { name: 'f', strict: true } }],
    });
    assert.deepEqual(dropped.toSorted(), [
      '_debug_render_only',
      'messages.name',
      'shift',
      'temperature',
      'tool_choice',
      'tools.function.strict',
      'top_logprobs',
    ]);
  });

  const refused: [string, object][] = [
    ['model', { model: 1 }],
    ['stream', { stream: 'no' }],
    ['messages', { messages: 'hi' }],
    ['messages[0].role', { messages: [{ content: 'hi' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tools[0].type', { tools: [{ type: 'web_search', function: { name: 'f' } }] }],
    ['think', { think: 1 }],
    ['format', { format: 'xml' }],
    ['options.temperature', { options: { temperature: 'hot' } }],
    ['options.stop', { options: { stop: [1] } }],
    ['keep_alive', { keep_alive: {} }],
    ['truncate', { truncate: 'yes' }],
    ['logprobs', { logprobs: 2 }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
  ];
  for (const [param, body] of refused) {
    test(`refuses ${JSON.stringify(body)} with a 400 for ${param}`, () => {
      assert.throws(
        () => read(body),
        (error) => error instanceof GatewayError && error.status === 400 && error.param === param,
      );
    });
  }

  test('refuses a body that is not an object with a 400', () => {
    for (const body of [null, [], 'hi', 1]) assert.throws(() => readChat(body), { status: 400 });
  });
});

suite('an /api/chat request without messages', () => {
  const reasons: [object, string][] = [
    [{}, 'load'],
    [{ messages: [], keep_alive: '5m' }, 'load'],
    [{ keep_alive: -1 }, 'load'],
    [{ keep_alive: 0 }, 'unload'],
    [{ keep_alive: '0s' }, 'unload'],
    [{ keep_alive: '0' }, 'unload'],
  ];
  for (const [body, reason] of reasons) {
    test(`with ${JSON.stringify(body)} is answered with done_reason ${reason}`, async () => {
      const { ready } = await chat.read({ model: 'm', ...body }, '');
      const { created_at: createdAt, ...rest } = ready as Record<string, unknown>;
      assert.ok(Math.abs(Date.parse(String(createdAt)) - Date.now()) < 10_000);
      const message = { role: 'assistant', content: '' };
      assert.deepEqual(rest, { model: 'm', message, done: true, done_reason: reason });
    });
  }

  test('is not assumed when there are messages, whatever keep_alive is', async () => {
    assert.equal((await chat.read({ model: 'm', messages: hi, keep_alive: 0 }, '')).ready, undefined);
  });
});
