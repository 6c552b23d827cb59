import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatRequest, CompletionRequest, Message } from '../../src/chat/request.ts';
import { parseExact } from '../../src/framing/json.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const chat: ChatRequest = { kind: 'chat', model: 'm', sampling: {}, messages: [] };
const completion: CompletionRequest = { kind: 'completion', model: 'm', sampling: {}, prompt: 'once' };

const always = { model: 'm', stream: true, stream_options: { include_usage: true } };

/** The body as it is sent, and the fields that are dropped. */
function sent(request: ChatRequest | CompletionRequest): { body: unknown; path: string; dropped: readonly string[] } {
  const { body, path, dropped } = openai.generation(request);
  return { body: JSON.parse(JSON.stringify(body)), path, dropped };
}

const messagesOf = (messages: readonly Message[]): unknown =>
  (sent({ ...chat, messages }).body as { messages: unknown }).messages;

suite('a chat request for an OpenAI server', () => {
  test('does not have fields that the request omits', () => {
    assert.deepEqual(sent(chat), { path: '/chat/completions', body: { ...always, messages: [] }, dropped: [] });
  });

  test('has all fields that OpenAI has', () => {
    const { body, dropped } = sent({
      ...chat,
      sampling: {
        temperature: 0,
        topP: 0.5,
        seed: 3,
        stop: ['END'],
        frequencyPenalty: 1,
        presencePenalty: -1,
        maxTokens: 9,
      },
      tools: [{ name: 'f', description: 'does', parameters: { type: 'object' } }, { name: 'g' }],
      toolChoice: { name: 'g' },
      parallelToolCalls: false,
      format: { type: 'object' },
      think: 'max',
      logprobs: { top: 2 },
    });
    assert.deepEqual(body, {
      ...always,
      messages: [],
      temperature: 0,
      top_p: 0.5,
      seed: 3,
      stop: ['END'],
      frequency_penalty: 1,
      presence_penalty: -1,
      max_tokens: 9,
      tools: [
        { type: 'function', function: { name: 'f', description: 'does', parameters: { type: 'object' } } },
        { type: 'function', function: { name: 'g', parameters: { type: 'object', properties: {} } } },
      ],
      tool_choice: { type: 'function', function: { name: 'g' } },
      parallel_tool_calls: false,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } },
      reasoning_effort: 'xhigh',
      logprobs: true,
      top_logprobs: 2,
    });
    assert.deepEqual(dropped, []);
  });

  test('has reasoning effort, JSON format, a required tool and log probabilities without alternatives', () => {
    const efforts = [true, false, 'low', 'high'] as const;
    assert.deepEqual(
      efforts.map((think) => (sent({ ...chat, think }).body as Record<string, unknown>)['reasoning_effort']),
      ['medium', 'none', 'low', 'high'],
    );
    const { body } = sent({
      ...chat,
      format: 'json',
      tools: [{ name: 'f' }],
      toolChoice: 'required',
      logprobs: { top: 0 },
    });
    const { response_format, tool_choice, logprobs, top_logprobs } = body as Record<string, unknown>;
    assert.deepEqual(
      { response_format, tool_choice, logprobs, top_logprobs },
      { response_format: { type: 'json_object' }, tool_choice: 'required', logprobs: true, top_logprobs: undefined },
    );
  });

  test('has no fields about tools when there are none', () => {
    assert.deepEqual(sent({ ...chat, tools: [], parallelToolCalls: false }).body, { ...always, messages: [] });
  });

  test("has Ollama's options by these servers' names, and reports the others as dropped", () => {
    const options = {
      top_k: 20,
      min_p: 0.1,
      typical_p: 0.9,
      repeat_penalty: 1.1,
      temperature: 0.9,
      num_predict: 5,
      seed: null,
      num_ctx: 4096,
      mirostat: null,
      ['__proto__']: { temperature: 2 },
      constructor: 2,
    };
    const { body, dropped } = sent({ ...chat, options, sampling: { temperature: 0 }, keepAlive: '5m', truncate: true });
    assert.deepEqual(body, {
      ...always,
      messages: [],
      top_k: 20,
      min_p: 0.1,
      typical_p: 0.9,
      repeat_penalty: 1.1,
      repetition_penalty: 1.1,
      temperature: 0,
      max_tokens: 5,
    });
    assert.deepEqual(dropped, [
      'options.num_ctx',
      'options.__proto__',
      'options.constructor',
      'keep_alive',
      'truncate',
    ]);
  });

  test('has no max_tokens for an unlimited num_predict, and does not report it as dropped', () => {
    assert.deepEqual(sent({ ...chat, options: { num_predict: -1 }, truncate: false }), sent(chat));
  });

  test('has messages of all roles', () => {
    const png = 'iVBORw0KGgoAAAANSUhEUg==';
    assert.deepEqual(
      messagesOf([
        { role: 'system', text: 'be' },
        { role: 'user', text: 'hi', images: [] },
        { role: 'user', text: 'see', images: [{ base64: png }, { base64: '/9j/4AAQSkZJRgABAQAAAQ==' }] },
        { role: 'user', text: '', images: [{ base64: png }] },
        {
          role: 'assistant',
          text: '',
          reasoning: 'hm',
          toolCalls: [{ id: 'c', name: 'f', arguments: parseExact('{"n":9007199254740993}') as object as never }],
        },
        { role: 'tool', text: '7', callId: 'c', name: 'f' },
        { role: 'assistant', text: '', reasoning: '', toolCalls: [] },
      ]),
      [
        { role: 'system', content: 'be' },
        { role: 'user', content: 'hi' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'see' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
            { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQ==' } },
          ],
        },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }] },
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'hm',
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"n":9007199254740993}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: '7' },
        { role: 'assistant', content: '' },
      ],
    );
  });

  test('pairs tool calls and results without ids by name, then in order', () => {
    const calls = (...names: string[]): Message => ({
      role: 'assistant',
      text: '',
      reasoning: '',
      toolCalls: names.map((name) => ({ id: name === 'given' ? 'g' : '', name, arguments: {} })),
    });
    const result = (name?: string, callId = ''): Message => ({ role: 'tool', text: '', callId, name });
    const ids = (
      messagesOf([
        calls('a', 'b', 'a'),
        result('b'),
        result('a'),
        result(),
        calls('a', 'given'),
        result('given', 'g'),
        result(),
        result('a'),
      ]) as { tool_calls?: { id: string }[]; tool_call_id?: string }[]
    ).map(({ tool_calls, tool_call_id }) => tool_call_id ?? tool_calls?.map(({ id }) => id));
    assert.deepEqual(ids, [
      ['call_0', 'call_1', 'call_2'],
      'call_1',
      'call_0',
      'call_2',
      ['call_3', 'g'],
      'g',
      'call_3',
      // No call is left for it, so it is a message of the user.
      undefined,
    ]);
  });

  test('gives every call a result and every result a call, because these servers refuse a history without', () => {
    const calls = (...ids: string[]): Message => ({
      role: 'assistant',
      text: '',
      reasoning: '',
      toolCalls: ids.map((id) => ({ id, name: id === 'nameless' ? '' : 'f', arguments: {} })),
    });
    const result = (callId: string, text: string): Message => ({ role: 'tool', text, callId, name: undefined });
    const seen = messagesOf([
      result('lost', '0'),
      calls('a', 'b'),
      result('b', '2'),
      result('other', '9'),
      { role: 'user', text: 'Go on.', images: [] },
      calls('c', 'c', 'nameless'),
      result('c', '3'),
      result('c', '4'),
    ]) as { role: string; content: string; tool_call_id?: string; tool_calls?: { id: string }[] }[];
    const called = (message: (typeof seen)[number]): string[] => message.tool_calls?.map(({ id }) => id) ?? [];
    assert.deepEqual(
      seen.map((message) => [message.role, message.tool_call_id ?? called(message).join(), message.content]),
      [
        ['user', '', 'Result of the tool that was called:\n0'],
        ['assistant', 'a,b', null],
        ['tool', 'b', '2'],
        ['tool', 'a', '(no result: the call was interrupted)'],
        ['user', '', 'Result of the tool that was called:\n9'],
        ['user', '', 'Go on.'],
        ['assistant', 'c,call_0,nameless', null],
        ['tool', 'c', '3'],
        ['tool', 'call_0', '4'],
        ['tool', 'nameless', '(no result: the call was interrupted)'],
      ],
    );
  });

  test('has recordings as parts, and roles of single models as they are', () => {
    const audio = [{ base64: 'UklGRg==', format: 'wav', param: 'p' }];
    const seen = messagesOf([
      { role: 'other', name: 'control', text: 'thinking' },
      { role: 'user', text: 'Listen.', images: [], audio },
    ]);
    assert.deepEqual(seen, [
      { role: 'control', content: 'thinking' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Listen.' },
          { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
        ],
      },
    ]);
  });

  test('pairs 20,000 calls and results in linear time', () => {
    const count = 20_000;
    const toolCalls = Array.from({ length: count }, () => ({ id: '', name: 'f', arguments: {} }));
    const results = Array.from({ length: count }, (): Message => ({ role: 'tool', text: '', callId: '', name: 'f' }));
    const start = performance.now();
    messagesOf([{ role: 'assistant', text: '', reasoning: '', toolCalls }, ...results]);
    assert.ok(performance.now() - start < 2_000);
  });
});

suite('a completion request for an OpenAI server', () => {
  test('has all fields that OpenAI has, and reports the others as dropped', () => {
    const { path, body, dropped } = sent({
      ...completion,
      suffix: 'end',
      raw: true,
      sampling: { maxTokens: 4 },
      logprobs: { top: 3 },
      format: 'json',
      think: 'low',
    });
    assert.equal(path, '/completions');
    assert.deepEqual(body, { ...always, prompt: 'once', suffix: 'end', max_tokens: 4, logprobs: 3 });
    assert.deepEqual(dropped, ['format', 'think']);
    assert.deepEqual(sent({ ...completion, think: false }).dropped, []);
  });
});
