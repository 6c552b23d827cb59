import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type LanguageModel, type ModelMessage, Output, generateText, isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const prompt = 'hello';
const messages = [{ role: 'user', content: 'hello' }];
const upstreamBody = { model: 'scripted-plain', messages, stream: true };

function connect({ gateway }: Proxied): { model: LanguageModel; maxRetries: 0 } {
  const llamaduct = createOpenAICompatible({
    name: 'llamaduct',
    baseURL: `${gateway.url}/v1`,
    apiKey: secret,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
  return { model: llamaduct('scripted-plain'), maxRetries: 0 };
}

test('generateText returns the text, finish reason, usage and id', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const { text, finishReason, usage, response } = await generateText({ ...connect(proxy), prompt });
  assert.equal(text, texts.plainText);
  assert.equal(finishReason, 'stop');
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [46, 44, 90]);
  assert.equal(response.modelId, 'scripted-plain');
  assert.equal(response.headers?.['x-request-id'], response.id);
  assert.deepEqual(proxy.asked, [upstreamBody]);
});

test('streamText returns the text, finish reason and usage', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const result = streamText({ ...connect(proxy), prompt });
  let text = '';
  for await (const delta of result.textStream) text += delta;
  assert.equal(text, texts.plainText);
  assert.equal(await result.finishReason, 'stop');
  const usage = await result.usage;
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.totalTokens], [46, 44, 90]);
  assert.deepEqual(proxy.asked, [upstreamBody]);
});

test('settings are sent to Ollama as its options, num_ctx through providerOptions', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  await generateText({
    ...connect(proxy),
    prompt,
    instructions: 'Be kind.',
    maxOutputTokens: 99,
    temperature: 0.2,
    topP: 0.9,
    seed: 7,
    stopSequences: ['END'],
    providerOptions: { llamaduct: { options: { num_ctx: 8192 }, keep_alive: '10m', reasoningEffort: 'high' } },
  });
  const options = { num_ctx: 8192, temperature: 0.2, top_p: 0.9, seed: 7, stop: ['END'], num_predict: 99 };
  const withSystem = [{ role: 'system', content: 'Be kind.' }, ...messages];
  assert.deepEqual(proxy.asked, [{ ...upstreamBody, messages: withSystem, think: 'high', keep_alive: '10m', options }]);
});

test('reasoning is separate from the text, and the next request sends it to Ollama as thinking', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-think-true-stream'));
  const first = await generateText({ ...connect(proxy), prompt });
  assert.deepEqual([first.finalStep.reasoningText, first.text], [texts.thought, texts.greeting]);
  const history: ModelMessage[] = [
    { role: 'user', content: prompt },
    ...first.responseMessages,
    { role: 'user', content: 'And "you" \\ 🙂?\n' },
  ];
  const second = streamText({ ...connect(proxy), messages: history });
  let reasoning = '';
  for await (const part of second.stream) if (part.type === 'reasoning-delta') reasoning += part.text;
  assert.deepEqual([reasoning, await second.text], [texts.thought, texts.greeting]);
  const reply = { role: 'assistant', content: texts.greeting, thinking: texts.thought };
  const question = { role: 'user', content: 'And "you" \\ 🙂?\n' };
  assert.deepEqual(proxy.asked, [upstreamBody, { ...upstreamBody, messages: [...messages, reply, question] }]);
});

test('an image is sent to Ollama as base64 without a data URI', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-images-non-vision-stream'));
  const data = Buffer.from('iVBORw0KGgo=', 'base64');
  const content = [
    { type: 'text' as const, text: 'see' },
    { type: 'file' as const, mediaType: 'image/png', data },
  ];
  await generateText({ ...connect(proxy), messages: [{ role: 'user', content }] });
  assert.deepEqual(proxy.asked, [
    { ...upstreamBody, messages: [{ role: 'user', content: 'see', images: ['iVBORw0KGgo='] }] },
  ]);
});

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

test('generateText runs two tools and sends their results to Ollama as tool messages', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-tool2-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
  );
  const { text, steps, usage } = await generateText({ ...connect(proxy), prompt, tools, stopWhen: isStepCount(3) });
  assert.equal(text, texts.weatherText);
  assert.deepEqual(
    steps.map(({ finishReason }) => finishReason),
    ['tool-calls', 'stop'],
  );
  assert.deepEqual([usage.inputTokens, usage.outputTokens], [637, 59]);
  const [first, second] = proxy.asked as {
    messages: unknown;
    tools: { function: { name: string; parameters: object } }[];
  }[];
  assert.deepEqual(
    first?.tools.map(({ function: { name } }) => name),
    ['get_weather', 'get_time'],
  );
  assert.partialDeepStrictEqual(first?.tools[0]?.function.parameters, {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
  });
  assert.deepEqual(second?.messages, [...messages, ...toolMessages]);
});

test('streamText runs two tools and sends their results to Ollama', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-tool2-stream'), replay('ollama-0.33/chat-tools-result-stream')),
  );
  const result = streamText({ ...connect(proxy), prompt, tools, stopWhen: isStepCount(3) });
  assert.equal(await result.text, texts.weatherText);
  assert.deepEqual(
    (await result.toolCalls).map(({ toolCallId, input }) => [toolCallId, input]),
    [
      ['call_x7ofeuw7', { city: 'Paris' }],
      ['call_4ksm3dk6', { zone: 'Asia/Tokyo' }],
    ],
  );
  assert.deepEqual((proxy.asked[1] as { messages: unknown }).messages, [...messages, ...toolMessages]);
});

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
  const streamed = streamText({ ...connect(proxy), prompt, output });
  const partials: unknown[] = [];
  for await (const partial of streamed.partialOutputStream) partials.push(partial);
  assert.deepEqual(partials.at(-1), alice);
  assert.ok(partials.length > 2);
  assert.deepEqual(await streamed.output, alice);
  const formats = (proxy.asked as { format: { required: string[] } }[]).map(({ format }) => format);
  assert.deepEqual(formats[0]?.required, ['name', 'age', 'tags', 'note']);
  assert.deepEqual(formats[1], formats[0]);
});
