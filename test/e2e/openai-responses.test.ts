import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APIError, BadRequestError, InternalServerError, NotFoundError, OpenAI } from 'openai';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import type { ResponseInput, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { z } from 'zod';
import { assertMatches, assertResponseEvent } from '../conformance/openai-schema.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const hello = { model: 'scripted-plain', input: 'hello' };
const messages = [{ role: 'user', content: 'hello' }];
const upstreamBody = { model: 'scripted-plain', messages, stream: true };
const plain = replay('ollama-0.17.4/chat-plain-stream');

function connect({ gateway }: Proxied, apiKey = secret): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 });
}

async function collect(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) {
    assertResponseEvent(event);
    events.push(event);
  }
  return events;
}

test('create returns a whole response, and Ollama gets only what the client sent', async () => {
  await using proxy = await proxied(plain);
  const answer = await connect(proxy).responses.create(hello);
  assert.equal(answer.output_text, texts.plainText);
  assert.equal(answer.status, 'completed');
  assert.deepEqual([answer.usage?.input_tokens, answer.usage?.output_tokens, answer.usage?.total_tokens], [46, 44, 90]);
  assert.match(answer.id, /^resp_/);
  assert.equal(answer._request_id, answer.id);
  assert.deepEqual(proxy.asked, [upstreamBody]);
});

test('create streams text and response.completed with numbered events', async () => {
  await using proxy = await proxied(plain);
  const events = await collect(await connect(proxy).responses.create({ ...hello, stream: true }));
  const text = events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
  assert.equal(text, texts.plainText);
  assert.deepEqual(
    events.map((event) => event.sequence_number),
    events.map((_, index) => index),
  );
  const last = events.at(-1);
  assert.ok(last?.type === 'response.completed');
  assert.equal(last.response.usage?.total_tokens, 90);
});

test('the stream helper reports text, reasoning and the final response', async () => {
  for (const [name, text, thought] of [
    ['chat-plain-stream', texts.plainText, ''],
    ['chat-think-true-stream', texts.greeting, texts.thought],
    ['chat-tools-tool2-stream', '', ''],
  ] as const) {
    await using proxy = await proxied(replay(`ollama-0.17.4/${name}`));
    const stream = connect(proxy).responses.stream(hello);
    let received = '';
    let reasoning = '';
    stream.on('response.output_text.delta', ({ delta }) => {
      received += delta;
    });
    stream.on('response.reasoning_summary_text.delta', ({ delta }) => {
      reasoning += delta;
    });
    const final = await stream.finalResponse();
    assert.deepEqual([received, final.output_text, reasoning], [text, text, thought]);
  }
});

test('a response cut at its limit is incomplete, streamed and not streamed', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-num-predict-5-stream'));
  const { responses } = connect(proxy);
  const request = { ...hello, max_output_tokens: 5 };
  const answer = await responses.create(request);
  assert.deepEqual([answer.status, answer.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
  const last = (await collect(await responses.create({ ...request, stream: true }))).at(-1);
  assert.ok(last?.type === 'response.incomplete');
  const [item] = last.response.output;
  assert.ok(item?.type === 'message' && item.content[0]?.type === 'output_text');
  assert.deepEqual([item.status, item.content[0].text], ['incomplete', answer.output_text]);
  const cut = { ...upstreamBody, options: { num_predict: 5 } };
  assert.deepEqual(proxy.asked, [cut, cut]);
});

const getWeather = zodResponsesFunction({
  name: 'get_weather',
  description: 'Weather in a city',
  parameters: z.object({ city: z.string() }),
});

/** The messages of the request after the call of chat-tools-tool-stream. */
const toolMessages = [
  ...messages,
  {
    role: 'assistant',
    content: '',
    tool_calls: [
      { id: 'call_mjx4h239', function: { name: 'get_weather', arguments: { city: 'Paris', unit: 'celsius' } } },
    ],
  },
  { role: 'tool', content: '18 C, sunny in Paris', tool_call_id: 'call_mjx4h239', tool_name: 'get_weather' },
];

for (const stored of [false, true]) {
  test(`a tool loop ${stored ? 'with previous_response_id' : 'with all items sent again'} ends in the answer`, async () => {
    await using proxy = await proxied(
      inTurn(replay('ollama-0.17.4/chat-tools-tool-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
    );
    const { responses } = connect(proxy);
    const request = { model: 'scripted-plain', tools: [getWeather], store: stored };
    const input: ResponseInput = [{ role: 'user', content: 'hello' }];
    const first = await responses.create({ ...request, input });
    const results: ResponseInput = first.output.flatMap((item) =>
      item.type === 'function_call'
        ? { type: 'function_call_output' as const, call_id: item.call_id, output: '18 C, sunny in Paris' }
        : [],
    );
    assert.equal(results.length, 1);
    const second = await responses.create(
      stored
        ? { ...request, input: results, previous_response_id: first.id }
        : { ...request, input: [...input, ...(first.output as ResponseInput), ...results] },
    );
    assert.equal(second.output_text, texts.weatherText);
    const [, last] = proxy.asked as { messages: unknown; tools: { function: { name: string } }[] }[];
    assert.deepEqual(last?.messages, toolMessages);
    assert.equal(last?.tools[0]?.function.name, 'get_weather');
  });
}

test('a streamed response can be continued once it is complete, and retrieved, listed and deleted', async () => {
  await using proxy = await proxied(inTurn(replay('ollama-0.17.4/chat-think-true-stream'), plain));
  const { responses } = connect(proxy);
  const first = (await collect(await responses.create({ ...hello, stream: true }))).at(-1);
  assert.ok(first?.type === 'response.completed');
  const { id } = first.response;
  const second = await responses.create({ ...hello, input: 'again', previous_response_id: id });
  assert.equal(second.previous_response_id, id);
  const reply = { role: 'assistant', content: texts.greeting, thinking: texts.thought };
  const question = { role: 'user', content: 'again' };
  assert.deepEqual(proxy.asked, [upstreamBody, { ...upstreamBody, messages: [...messages, reply, question] }]);

  const read = await responses.retrieve(id);
  assert.equal(read.output_text, texts.greeting);
  const ids: string[] = [];
  for await (const item of responses.inputItems.list(id, { limit: 1 })) ids.push(item.id ?? '');
  assert.equal(ids.length, 1);
  await responses.delete(id);
  await assert.rejects(responses.retrieve(id), { constructor: NotFoundError });
  await assert.rejects(responses.delete(id), { constructor: NotFoundError });
  await assert.rejects(responses.create({ ...hello, previous_response_id: id }), {
    constructor: BadRequestError,
    code: 'previous_response_not_found',
    param: 'previous_response_id',
  });
});

test('a stored response does not exist for another key', async () => {
  const keys = ['tester', 'other'].map((name) => ({
    name,
    hash: hashSecret(name === 'tester' ? secret : 'ld-another-secret'),
    scopes: ['inference', 'metrics'],
  }));
  await using proxy = await proxied(plain, { keys });
  const { id } = await connect(proxy).responses.create(hello);
  const other = connect(proxy, 'ld-another-secret').responses;
  await assert.rejects(other.retrieve(id), { status: 404 });
  await assert.rejects(other.delete(id), { status: 404 });
  await assert.rejects(other.create({ ...hello, previous_response_id: id }), { code: 'previous_response_not_found' });
  assert.equal((await connect(proxy).responses.retrieve(id)).id, id);
});

const person = z.object({ name: z.string(), age: z.int(), tags: z.array(z.string()), note: z.string() });
const alice = { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' };

test('structured output: the schema is sent to Ollama as format, and the answer is parsed', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema-stream'));
  const { responses } = connect(proxy);
  const text = { format: zodTextFormat(person, 'person') };
  assert.deepEqual((await responses.parse({ ...hello, text })).output_parsed, alice);
  assert.deepEqual((await responses.stream({ ...hello, text }).finalResponse()).output_parsed, alice);
  const [{ format } = {}] = proxy.asked as { format?: { required: string[] } }[];
  assert.deepEqual(format?.required, ['name', 'age', 'tags', 'note']);
});

test('settings are sent to Ollama as its options', async () => {
  await using proxy = await proxied(plain);
  const extra: object = { options: { num_ctx: 8192 }, keep_alive: '10m' };
  const answer = await connect(proxy).responses.create({
    ...hello,
    instructions: 'Be kind.',
    temperature: 0.2,
    top_p: 0.9,
    max_output_tokens: 99,
    reasoning: { effort: 'low' },
    metadata: { a: 'b' },
    ...extra,
  });
  const options = { num_ctx: 8192, temperature: 0.2, top_p: 0.9, num_predict: 99 };
  const withSystem = [{ role: 'system', content: 'Be kind.' }, ...messages];
  assert.deepEqual(proxy.asked, [{ ...upstreamBody, messages: withSystem, think: 'low', keep_alive: '10m', options }]);
  const { output_text: _, _request_id: __, ...body } = answer;
  assertMatches('Response', body);
});

test('tools that OpenAI would run are listed in x-llamaduct-dropped, and the model is told so', async () => {
  await using proxy = await proxied(plain);
  const { response } = await connect(proxy)
    .responses.create({
      ...hello,
      tools: [{ type: 'web_search' }, { type: 'code_interpreter', container: { type: 'auto' } }],
      include: ['code_interpreter_call.outputs'],
      store: false,
    })
    .withResponse();
  assert.equal(
    response.headers.get('x-llamaduct-dropped'),
    'tools.web_search, tools.code_interpreter, include.code_interpreter_call.outputs',
  );
  const content =
    'Not available in this conversation: web search, code execution. Never invent results of these. ' +
    'If one is needed, say that it is not available here.';
  const messages = [{ role: 'system', content }, ...upstreamBody.messages];
  assert.deepEqual(proxy.asked, [{ ...upstreamBody, messages }]);
});

test('thinking is repeated in encrypted_content if a client asks for it, and is read back from there', async () => {
  const include = ['reasoning.encrypted_content' as const];
  await using proxy = await proxied(inTurn(...[1, 2, 3].map(() => replay('ollama-0.17.4/chat-think-true-stream'))));
  const { responses } = connect(proxy);
  const whole = await responses.create({ ...hello, include, store: false });
  const streamed = await responses.stream({ ...hello, include, store: false }).finalResponse();
  for (const { output } of [whole, streamed]) {
    const [thinking] = output;
    assert.ok(thinking?.type === 'reasoning');
    assert.equal(thinking.summary[0]?.text, texts.thought);
    assert.ok(thinking.encrypted_content?.endsWith(texts.thought));
  }
  const history = whole.output.map((item) => (item.type === 'reasoning' ? { ...item, summary: [] } : item));
  const input = [{ role: 'user', content: 'hello' }, ...history, { role: 'user', content: 'more' }] as ResponseInput;
  const { response } = await responses.create({ ...hello, input, store: false }).withResponse();
  assert.equal(response.headers.get('x-llamaduct-dropped'), null);
  const [, answer] = (proxy.asked.at(-1) as { messages: { thinking?: string }[] }).messages;
  assert.equal(answer?.thinking, texts.thought);
});

test('strict mode refuses tools that would be dropped', async () => {
  await using proxy = await proxied(plain, { strict: true });
  await assert.rejects(connect(proxy).responses.create({ ...hello, tools: [{ type: 'web_search' }] }), {
    constructor: BadRequestError,
    param: 'tools.web_search',
  });
  assert.deepEqual(proxy.asked, []);
});

test('hide_thinking removes reasoning from items and events', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-think-true-stream'));
  const extra: object = { hide_thinking: true };
  const { responses } = connect(proxy);
  const answer = await responses.create({ ...hello, ...extra });
  assert.deepEqual(
    answer.output.map(({ type }) => type),
    ['message'],
  );
  const events = await collect(await responses.create({ ...hello, ...extra, stream: true }));
  assert.ok(events.every(({ type }) => !type.includes('reasoning')));
});

test('aborting a stream aborts the upstream request, and nothing is stored', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const { responses } = connect(proxy);
  const stream = await responses.create({ ...hello, stream: true });
  let received = '';
  let id = '';
  for await (const event of stream) {
    if (event.type === 'response.created') ({ id } = event.response);
    if (event.type === 'response.output_text.delta') received += event.delta;
    if (received === 'Hello! I') stream.controller.abort();
  }
  assert.equal(await proxy.phaseLeft(), 'streaming');
  await assert.rejects(responses.retrieve(id), { status: 404 });
});

test('aborting a request that is not streamed aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 40, after: 'hold' }));
  const controller = new AbortController();
  const pending = connect(proxy).responses.create(hello, { signal: controller.signal });
  const aborted = assert.rejects(pending, { constructor: OpenAI.APIUserAbortError });
  await proxy.streaming();
  controller.abort();
  await aborted;
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

for (const [name, answer, expected] of [
  [
    'an unknown model',
    replay('ollama-0.17.4/chat-unknown-model-stream'),
    { constructor: NotFoundError, code: 'model_not_found', param: 'model' },
  ],
  ['a busy upstream', replay('ollama-0.17.4/busy-503'), { constructor: InternalServerError, code: 'upstream_busy' }],
] as const) {
  test(`create throws for ${name}, streamed and not streamed`, async () => {
    await using proxy = await proxied(answer);
    const { responses } = connect(proxy);
    await assert.rejects(responses.create(hello), expected);
    await assert.rejects(responses.create({ ...hello, stream: true }), expected);
  });
}

const streamFailures = [
  {
    name: 'an error line in mid-stream',
    answer: replay('ollama-0.17.4/chat-harmony-broken-after-text-stream'),
    received: 'Need the weather tool.',
    expected: { code: 'upstream_request_failed', message: texts.brokenCallText },
  },
  {
    name: 'a connection broken in mid-stream',
    answer: replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'break' }),
    received: 'Hello! I',
    expected: { code: 'upstream_incomplete', message: texts.brokenConnectionText },
  },
  {
    name: 'a stream that ends without a done line',
    answer: replay('ollama-0.17.4/chat-repeat-stream'),
    received: ' ha'.repeat(31),
    expected: { code: 'upstream_incomplete', message: texts.incompleteText },
  },
];

for (const { name, answer, received, expected } of streamFailures) {
  test(`create and stream throw after ${name}`, async () => {
    await using proxy = await proxied(answer);
    const { responses } = connect(proxy);
    let text = '';
    const read = async (): Promise<void> => {
      for await (const event of await responses.create({ ...hello, stream: true })) {
        if (event.type === 'response.output_text.delta') text += event.delta;
        if (event.type === 'response.reasoning_summary_text.delta') text += event.delta;
        assert.notEqual(event.type, 'response.completed');
      }
    };
    await assert.rejects(read(), { constructor: APIError, status: undefined, ...expected });
    assert.equal(text, received);
    await assert.rejects(responses.stream(hello).finalResponse(), expected);
    await assert.rejects(responses.create(hello), {
      status: expected.code === 'upstream_request_failed' ? 422 : 502,
      code: expected.code,
    });
  });
}

test('response.failed follows the error event, for clients that ignore error events', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-repeat-stream'));
  const body = JSON.stringify({ ...hello, stream: true });
  const stream = await (await proxy.gateway.fetch('/v1/responses', { method: 'POST', body })).text();
  const [error, failed] = stream.trim().split('\n\n').slice(-2);
  assert.match(error ?? '', /^event: error\ndata: \{"type":"error","code":"upstream_incomplete",/);
  assert.match(failed ?? '', /^event: response\.failed\ndata: .*"error":\{"code":"server_error","message":"The model/);
});
