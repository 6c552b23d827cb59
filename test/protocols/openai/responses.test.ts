import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GenerationCall } from '../../../src/chat/protocol.ts';
import type { ChatRequest } from '../../../src/chat/request.ts';
import { responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';
import { toOllama } from '../../../src/upstreams/ollama/request.ts';

const store = new MemoryTextStore({ entries: 10, bytes: 1e6, ttl: 60_000 });
const protocol = responses(store);

async function read(body: object): Promise<GenerationCall> {
  return await protocol.read({ model: 'm', input: 'hi', ...body }, 'tester');
}

async function requestOf(body: object): Promise<ChatRequest> {
  const [request] = (await read(body)).requests;
  assert.ok(request.kind === 'chat');
  return request;
}

const user = (text: string): object => ({ role: 'user', text, images: [] });
const call = (id: string, name: string, args: unknown): object => ({
  type: 'function_call',
  call_id: id,
  name,
  arguments: args,
});
const output = (id: string, value: unknown): object => ({ type: 'function_call_output', call_id: id, output: value });

test('reads a string as a user message, and adds nothing', async () => {
  const { requests, stream, dropped } = await read({});
  assert.deepEqual(requests, [{ kind: 'chat', model: 'm', sampling: {}, messages: [user('hi')] }]);
  assert.deepEqual([stream, dropped], [false, []]);
});

test("reads an absent model as '', so that the operator's default applies", async () => {
  assert.equal((await requestOf({ model: null })).model, '');
});

test('reads sampling, reasoning, options, log probabilities and truncation', async () => {
  const { messages: _, ...request } = await requestOf({
    max_output_tokens: 99,
    temperature: 0,
    top_p: 0.9,
    truncation: 'auto',
    parallel_tool_calls: false,
    reasoning: { effort: 'minimal', summary: 'auto' },
    options: { num_ctx: 8192 },
    keep_alive: '10m',
    include: ['message.output_text.logprobs'],
    top_logprobs: 3,
  });
  assert.deepEqual(request, {
    kind: 'chat',
    model: 'm',
    sampling: { temperature: 0, topP: 0.9, maxTokens: 99 },
    options: { num_ctx: 8192 },
    keepAlive: '10m',
    parallelToolCalls: false,
    think: 'low',
    logprobs: { top: 3 },
    truncate: true,
  });
});

test("reads Ollama's own think, reasoning.effort none and hide_thinking", async () => {
  assert.equal((await requestOf({ think: true })).think, true);
  assert.equal((await requestOf({ reasoning: { effort: 'none' } })).think, false);
  assert.equal((await read({ hide_thinking: true })).hideThinking, true);
  assert.equal((await requestOf({ think: true, reasoning: { effort: 'low' } })).think, 'low');
  await assert.rejects(read({ think: true, reasoning: { effort: 'none' } }), { param: 'reasoning.effort' });
});

test('reads every type of text.format', async () => {
  const schema = { type: 'object', properties: {} };
  assert.equal((await requestOf({ text: { format: { type: 'text' } } })).format, undefined);
  assert.equal((await requestOf({ text: { format: { type: 'json_object' } } })).format, 'json');
  const format = { type: 'json_schema', name: 'n', schema, strict: true };
  assert.deepEqual((await requestOf({ text: { format } })).format, schema);
});

test('puts instructions first, and reads developer messages as system messages', async () => {
  const { messages } = await requestOf({
    instructions: 'Be kind.',
    input: [
      { role: 'developer', content: 'Be brief.' },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ],
      },
    ],
  });
  assert.deepEqual(messages, [
    { role: 'system', text: 'Be kind.' },
    { role: 'system', text: 'Be brief.' },
    user('a\nb'),
  ]);
});

test('reads an image from a data URI and from an address', async () => {
  const { messages } = await requestOf({
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'auto' },
          { type: 'input_image', image_url: 'https://images.example/cat.png' },
        ],
      },
    ],
  });
  const param = 'input[0].content[1].image_url';
  const images = [{ base64: 'iVBORw0KGgo=' }, { url: 'https://images.example/cat.png', param }];
  assert.deepEqual(messages, [{ role: 'user', text: '', images }]);
});

test("joins thinking, text and calls into one message, and adds the tool's name to a result", async () => {
  const { messages } = await requestOf({
    input: [
      { role: 'user', content: 'hi' },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Let me look.' }] },
      call('call_1', 'get_weather', '{"city":"Paris"}'),
      call('call_2', 'get_time', ''),
      output('call_1', '18 C'),
      output('call_2', [
        { type: 'input_text', text: '09' },
        { type: 'input_text', text: '41' },
      ]),
      { role: 'assistant', content: 'Sunny.' },
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'No more.' }] },
    ],
  });
  const toolCalls = [
    { id: 'call_1', name: 'get_weather', arguments: { city: 'Paris' } },
    { id: 'call_2', name: 'get_time', arguments: {} },
  ];
  assert.deepEqual(messages, [
    user('hi'),
    { role: 'assistant', text: 'Let me look.', reasoning: 'Hm.', toolCalls },
    { role: 'tool', text: '18 C', callId: 'call_1', name: 'get_weather' },
    { role: 'tool', text: '09\n41', callId: 'call_2', name: 'get_time' },
    { role: 'assistant', text: 'Sunny.', reasoning: '', toolCalls: [] },
    { role: 'assistant', text: 'No more.', reasoning: '', toolCalls: [] },
  ]);
});

test('leaves out thinking that no text or call of the assistant follows', async () => {
  const thought = { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] };
  const { messages } = await requestOf({ input: [thought, { role: 'user', content: 'a' }, call('c', 'f', '{}')] });
  assert.deepEqual(messages, [
    user('a'),
    { role: 'assistant', text: '', reasoning: '', toolCalls: [{ id: 'c', name: 'f', arguments: {} }] },
  ]);
});

const tool = (name: string): object => ({ type: 'function', name, description: 'd', parameters: { type: 'object' } });
const tools = [tool('f'), tool('g')];
const canonicalTool = (name: string): object => ({ name, description: 'd', parameters: { type: 'object' } });

for (const [choice, expected] of [
  [undefined, { tools: [canonicalTool('f'), canonicalTool('g')] }],
  ['auto', { tools: [canonicalTool('f'), canonicalTool('g')] }],
  ['none', {}],
  ['required', { tools: [canonicalTool('f'), canonicalTool('g')], toolChoice: 'required' }],
  [
    { type: 'function', name: 'g' },
    { tools: [canonicalTool('f'), canonicalTool('g')], toolChoice: { name: 'g' } },
  ],
  [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'g' }] }, { tools: [canonicalTool('g')] }],
  [
    { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] },
    { tools: [canonicalTool('f')], toolChoice: 'required' },
  ],
] as const) {
  test(`reads tool_choice ${JSON.stringify(choice)}`, async () => {
    const { tools: some, toolChoice } = await requestOf({ tools, tool_choice: choice });
    assert.deepEqual({ ...(some && { tools: some }), ...(toolChoice && { toolChoice }) }, expected);
  });
}

test('reports fields, items and tools that have no effect as dropped', async () => {
  const { requests, dropped } = await read({
    input: [
      {
        role: 'user',
        content: [{ type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'high' }],
      },
      { type: 'reasoning', summary: [], encrypted_content: 'gAAA' },
      { type: 'custom_tool_call', call_id: 'c', name: 'apply_patch', input: '***' },
      { type: '<script>', call_id: 'c' },
      { type: 'item_reference', id: 'rs_lost' },
      output('c', [{ type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' }]),
    ],
    tools: [
      { type: 'web_search' },
      { type: 'namespace', name: 'n', tools: [tool('f')] },
      { ...tool('f'), strict: true },
    ],
    tool_choice: { type: 'web_search' },
    include: ['reasoning.encrypted_content'],
    reasoning: { effort: 'low', context: 'all_turns' },
    text: { verbosity: 'low' },
    top_logprobs: 2,
    store: true,
    metadata: { a: 'b' },
    max_tool_calls: 3,
    prompt_cache_key: 'k',
    client_metadata: { a: 'b' },
    service_tier: 'flex',
    service: { a: 1 },
    stream_options: { include_obfuscation: true },
  });
  assert.deepEqual(requests[0].kind === 'chat' && requests[0].tools, [
    { ...canonicalTool('f'), name: 'n__f' },
    canonicalTool('f'),
  ]);
  assert.deepEqual([...dropped, ...toOllama(requests[0]).dropped].toSorted(), [
    'client_metadata',
    'input.content.detail',
    'input.encrypted_content',
    'input.item_reference',
    'input.other',
    'max_tool_calls',
    'prompt_cache_key',
    'reasoning.context',
    'service',
    'service_tier',
    'stream_options.include_obfuscation',
    'text.verbosity',
    'tool_choice.web_search',
    'tools.strict',
    'tools.web_search',
    'top_logprobs',
  ]);
});

for (const [param, body] of [
  ['input', { input: null }],
  ['input', { input: 7 }],
  ['input', { input: [] }],
  ['input', { input: [{ type: 'web_search_call' }] }],
  ['input[0]', { input: [7] }],
  ['input[0].id', { input: [{}] }],
  ['input[0].id', { input: [{ type: 'item_reference', id: 'msg_lost' }] }],
  ['input[0].role', { input: [{ type: 'message', content: 'a' }] }],
  ['tools', { tools: {} }],
  ['tools[0].name', { tools: [{}] }],
  ['tools[0].name', { tools: [{ type: 'function' }] }],
  ['tool_choice', { tool_choice: 'required' }],
  ['tool_choice', { tool_choice: { type: 'function', name: 'h' }, tools }],
  ['tool_choice', { tool_choice: 'required', tools: [{ type: 'web_search' }] }],
  ['tool_choice.mode', { tool_choice: { type: 'allowed_tools', tools: [] } }],
  ['text.format.type', { text: { format: { type: 'xml' } } }],
  ['text.format.schema', { text: { format: { type: 'json_schema', name: 'n' } } }],
  ['reasoning.effort', { reasoning: { effort: 7 } }],
  ['truncation', { truncation: 'middle' }],
  ['metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [index, ''])) }],
  ['include[0]', { include: [1] }],
  ['top_logprobs', { top_logprobs: 21 }],
  ['background', { background: true }],
  ['conversation', { conversation: 'conv_1' }],
  ['prompt', { prompt: { id: 'pmpt_1' } }],
  ['store', { store: 'yes' }],
  ['previous_response_id', { previous_response_id: 'resp_unknown' }],
  ['previous_response_id', { previous_response_id: 'with:colon' }],
] as const) {
  test(`refuses ${JSON.stringify(body)}`.slice(0, 100) + ` for ${param}`, async () => {
    await assert.rejects(
      async () => await read(body),
      (error: { name: string; param: unknown; status: number }) => {
        assert.deepEqual([error.name, error.param], ['GatewayError', param]);
        assert.ok([400, 404].includes(error.status));
        return true;
      },
    );
  });
}

test('refuses a body that is not an object with a 400', async () => {
  for (const body of [[], 'hi', null]) {
    await assert.rejects(async () => await protocol.read(body, 'tester'), { status: 400 });
  }
});

test('accepts unsupported fields with a neutral value, such as background: false', async () => {
  assert.deepEqual((await read({ background: false, conversation: null, prompt: null })).dropped, []);
});
