import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  type LanguageModel,
  type ModelMessage,
  Output,
  StreamProviderError,
  generateText,
  isStepCount,
  streamText,
  tool,
} from 'ai';
import { z } from 'zod';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const prompt = 'hello';
const messages = [{ role: 'user', content: 'hello' }];
const upstreamBody = { model: 'scripted-plain', messages, stream: true };
const plain = replay('ollama-0.17.4/chat-plain-stream');

/** The provider's default model speaks the Responses API. */
function connect({ gateway }: Proxied, model = 'scripted-plain'): { model: LanguageModel; maxRetries: 0 } {
  return { model: createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret })(model), maxRetries: 0 };
}

test('generateText returns the text, finish reason and usage of one upstream request', async () => {
  await using proxy = await proxied(plain);
  const { text, finishReason, usage, response, warnings } = await generateText({ ...connect(proxy), prompt });
  assert.equal(text, texts.plainText);
  assert.equal(finishReason, 'stop');
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [46, 44, 90]);
  assert.equal(response.headers?.['x-request-id'], response.id);
  assert.deepEqual(warnings ?? [], []);
  assert.deepEqual(proxy.asked, [upstreamBody]);
  assert.equal(proxy.upstream.requests.filter(({ url }) => url === '/api/chat').length, 1);
});

test('streamText returns the text, finish reason and usage', async () => {
  await using proxy = await proxied(plain);
  const result = streamText({ ...connect(proxy), prompt });
  let text = '';
  for await (const delta of result.textStream) text += delta;
  assert.equal(text, texts.plainText);
  assert.equal(await result.finishReason, 'stop');
  const usage = await result.usage;
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [46, 44, 90]);
});

test('settings are sent to Ollama as its options', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-num-predict-5-stream'));
  const { finishReason } = await generateText({
    ...connect(proxy),
    prompt,
    instructions: 'Be kind.',
    maxOutputTokens: 5,
    temperature: 0.2,
    topP: 0.9,
  });
  assert.equal(finishReason, 'length');
  const options = { temperature: 0.2, top_p: 0.9, num_predict: 5 };
  assert.deepEqual(proxy.asked, [
    { ...upstreamBody, messages: [{ role: 'system', content: 'Be kind.' }, ...messages], options },
  ]);
});

// For names of OpenAI's reasoning models the SDK sends other items.
for (const model of ['scripted-plain', 'gpt-5']) {
  test(`reasoning is separate from the text, and the next request refers to it by id, model ${model}`, async () => {
    await using proxy = await proxied(inTurn(replay('ollama-0.17.4/chat-think-true-stream'), plain), {}, [model]);
    const result = streamText({ ...connect(proxy, model), prompt });
    let reasoning = '';
    for await (const part of result.stream) if (part.type === 'reasoning-delta') reasoning += part.text;
    assert.deepEqual([reasoning, await result.text], [texts.thought, texts.greeting]);
    const history: ModelMessage[] = [
      { role: 'user', content: prompt },
      ...(await result.responseMessages),
      { role: 'user', content: 'again' },
    ];
    assert.equal((await generateText({ ...connect(proxy, model), messages: history })).text, texts.plainText);
    const reply = { role: 'assistant', content: texts.greeting, thinking: texts.thought };
    const [, second] = proxy.asked as { messages: unknown }[];
    assert.deepEqual(second?.messages, [...messages, reply, { role: 'user', content: 'again' }]);
  });
}

const tools = {
  get_weather: tool({
    description: 'Weather in a city',
    inputSchema: z.object({ city: z.string() }),
    execute: ({ city }) => `18 C, sunny in ${city}`,
  }),
  get_time: tool({
    inputSchema: z.object({ zone: z.string().optional() }),
    execute: ({ zone }) => ({ zone, time: '09:41' }),
  }),
};

/** The messages with the calls of chat-tools-tool2-stream and their results. */
const toolMessages = [
  {
    role: 'assistant',
    content: '',
    tool_calls: [
      { id: 'call_x7ofeuw7', function: { name: 'get_weather', arguments: { city: 'Paris' } } },
      { id: 'call_4ksm3dk6', function: { name: 'get_time', arguments: { zone: 'Asia/Tokyo' } } },
    ],
  },
  { role: 'tool', content: '18 C, sunny in Paris', tool_call_id: 'call_x7ofeuw7', tool_name: 'get_weather' },
  {
    role: 'tool',
    content: '{"zone":"Asia/Tokyo","time":"09:41"}',
    tool_call_id: 'call_4ksm3dk6',
    tool_name: 'get_time',
  },
];

for (const store of [true, false]) {
  const providerOptions = { openai: { store } };

  test(`generateText runs two tools and sends their results to Ollama, store: ${store}`, async () => {
    await using proxy = await proxied(
      inTurn(replay('ollama-0.17.4/chat-tools-tool2-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
    );
    const settings = { ...connect(proxy), prompt, tools, providerOptions, stopWhen: isStepCount(3) };
    const { text, steps } = await generateText(settings);
    assert.equal(text, texts.weatherText);
    assert.deepEqual(
      steps.map(({ finishReason }) => finishReason),
      ['tool-calls', 'stop'],
    );
    const [first, second] = proxy.asked as { messages: unknown; tools: { function: { name: string } }[] }[];
    assert.deepEqual(
      first?.tools.map(({ function: { name } }) => name),
      ['get_weather', 'get_time'],
    );
    assert.deepEqual(second?.messages, [...messages, ...toolMessages]);
  });

  test(`streamText runs a tool whose call follows text, store: ${store}`, async () => {
    await using proxy = await proxied(
      inTurn(replay('ollama-0.17.4/chat-tools-texttool-stream'), replay('ollama-0.33/chat-tools-result-stream')),
    );
    const settings = { ...connect(proxy), prompt, tools, providerOptions, stopWhen: isStepCount(3) };
    const result = streamText(settings);
    assert.equal(await result.text, texts.weatherText);
    const [, second] = proxy.asked as { messages: { role: string; content: string; tool_calls?: unknown[] }[] }[];
    const reply = second?.messages[1];
    assert.deepEqual([reply?.role, reply?.tool_calls?.length], ['assistant', 1]);
    assert.match(reply?.content ?? '', /^Let me look that up for you\./);
    assert.equal(second?.messages.length, 3);
  });
}

test('generateText runs a tool without arguments', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-toolnoargs-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
  );
  const { toolResults } = await generateText({ ...connect(proxy), prompt, tools, stopWhen: isStepCount(2) });
  assert.deepEqual(
    toolResults.map(({ toolName, output }) => [toolName, output]),
    [['get_time', { zone: undefined, time: '09:41' }]],
  );
});

test('structured output: the schema is sent to Ollama as format, and the answer is parsed', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema-stream'));
  const person = z.object({ name: z.string(), age: z.int(), tags: z.array(z.string()), note: z.string() });
  const alice = { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' };
  const output = Output.object({ schema: person });
  assert.deepEqual((await generateText({ ...connect(proxy), prompt, output })).output, alice);
  assert.deepEqual(await streamText({ ...connect(proxy), prompt, output }).output, alice);
  const formats = (proxy.asked as { format: { required: string[] } }[]).map(({ format }) => format.required);
  const required = ['name', 'age', 'tags', 'note'];
  assert.deepEqual(formats, [required, required]);
});

test('an image is sent to Ollama as base64 without a data URI', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-images-non-vision-stream'));
  const content = [
    { type: 'text' as const, text: 'see' },
    { type: 'file' as const, mediaType: 'image/png', data: Buffer.from('iVBORw0KGgo=', 'base64') },
  ];
  await generateText({ ...connect(proxy), messages: [{ role: 'user', content }] });
  assert.deepEqual(proxy.asked, [
    { ...upstreamBody, messages: [{ role: 'user', content: 'see', images: ['iVBORw0KGgo='] }] },
  ]);
});

test('aborting streamText in mid-stream aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const controller = new AbortController();
  const result = streamText({ ...connect(proxy), prompt, abortSignal: controller.signal });
  let received = '';
  for await (const part of result.stream) {
    if (part.type === 'text-delta') received += part.text;
    if (received === 'Hello! I') controller.abort();
  }
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

test('aborting generateText aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 40, after: 'hold' }));
  const controller = new AbortController();
  const pending = generateText({ ...connect(proxy), prompt, abortSignal: controller.signal });
  const aborted = assert.rejects(pending, { name: 'AbortError' });
  await proxy.streaming();
  controller.abort();
  await aborted;
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

for (const [name, answer, expected] of [
  [
    'an unknown model',
    replay('ollama-0.17.4/chat-unknown-model-stream'),
    {
      statusCode: 404,
      isRetryable: false,
      message: "model 'no-such-model' not found. Available models: scripted-plain:latest.",
    },
  ],
  [
    'a busy upstream',
    replay('ollama-0.17.4/busy-503'),
    { statusCode: 503, isRetryable: true, message: texts.busyText },
  ],
] as const) {
  test(`generateText and streamText report ${name} as an APICallError`, async () => {
    await using proxy = await proxied(answer);
    const settings = { ...connect(proxy), prompt };
    const seen: unknown[] = [];
    const result = streamText({ ...settings, onError: ({ error }) => void seen.push(error) });
    await assert.rejects(Promise.resolve(result.text));
    await assert.rejects(generateText(settings), (error) => seen.push(error) > 0);
    assert.equal(seen.length, 2);
    for (const error of seen) {
      assert.ok(APICallError.isInstance(error));
      const { statusCode, isRetryable, message } = error;
      assert.deepEqual({ statusCode, isRetryable, message }, expected);
    }
  });
}

for (const [name, answer, received, message] of [
  [
    'an error line in mid-stream',
    replay('ollama-0.17.4/chat-harmony-broken-after-text-stream'),
    'Need the weather tool.',
    texts.brokenCallText,
  ],
  [
    'a connection broken in mid-stream',
    replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'break' }),
    'Hello! I',
    texts.brokenConnectionText,
  ],
  [
    'a stream that ends without a done line',
    replay('ollama-0.17.4/chat-repeat-stream'),
    ' ha'.repeat(31),
    texts.incompleteText,
  ],
] as const) {
  test(`streamText reports ${name} once`, async () => {
    await using proxy = await proxied(answer);
    const seen: unknown[] = [];
    const result = streamText({ ...connect(proxy), prompt, onError: ({ error }) => void seen.push(error) });
    let text = '';
    for await (const part of result.stream) {
      if (part.type === 'text-delta' || part.type === 'reasoning-delta') text += part.text;
    }
    assert.equal(text, received);
    assert.equal(await result.finishReason, 'error');
    assert.equal(seen.length, 1);
    assert.ok(StreamProviderError.isInstance(seen[0]), String(seen[0]));
    assert.equal(seen[0].message, message);
  });
}
