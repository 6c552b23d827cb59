import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenAI } from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import type { ChatCompletionChunk, ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { z } from 'zod';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { recording } from '../helpers/recordings.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import { chatLine, doneLine } from '../helpers/ollama-answers.ts';
import type { Answer } from '../helpers/upstream.ts';
import * as texts from './texts.ts';

const messages = [{ role: 'user' as const, content: 'hello' }];
const hello = { model: 'scripted-plain', messages };

function connect({ gateway }: Proxied): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
}

async function collect(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

function textOf(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}

test('create returns a whole completion, and Ollama gets only what the client sent', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const answer = await connect(proxy).chat.completions.create(hello);
  assert.equal(answer.choices.length, 1);
  assert.equal(answer.choices[0]?.message.content, texts.plainText);
  assert.equal(answer.choices[0]?.finish_reason, 'stop');
  assert.deepEqual(answer.usage, { prompt_tokens: 46, completion_tokens: 44, total_tokens: 90 });
  assert.equal(answer.model, 'scripted-plain');
  assert.match(answer.id, /^chatcmpl-/);
  assert.equal(answer._request_id, answer.id);
  assert.deepEqual(proxy.asked, [{ ...hello, stream: true }]);
});

test('create streams chunks with one id, and the usage in the last chunk', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const client = connect(proxy);
  const chunks = await collect(
    await client.chat.completions.create({ ...hello, stream: true, stream_options: { include_usage: true } }),
  );
  assert.equal(textOf(chunks), texts.plainText);
  assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.delta.role).filter(Boolean), ['assistant']);
  assert.equal(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size, 1);
  assert.deepEqual(chunks.map((chunk) => chunk.choices[0]?.finish_reason ?? null).filter(Boolean), ['stop']);
  const usage = { prompt_tokens: 46, completion_tokens: 44, total_tokens: 90 };
  assert.deepEqual(chunks.at(-1), { ...chunks[0], choices: [], usage });
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
});

test('a stream keeps every character of a text, emoji and frame separators included', async () => {
  const [name, whole] = ['ollama-0.17.4/chat-utf8-stream', recording('ollama-0.17.4/chat-utf8').body.toString('utf8')];
  await using proxy = await proxied(replay(name));
  const chunks = await collect(await connect(proxy).chat.completions.create({ ...hello, stream: true }));
  const { message } = JSON.parse(whole) as { message: { content: string } };
  assert.ok(message.content.includes('👩‍👩‍👧‍👦') && message.content.includes('data: [DONE]\n\nevent: error'));
  assert.equal(textOf(chunks), message.content);
});

test('the stream helper reports deltas, the final completion and usage', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const stream = connect(proxy).chat.completions.stream({ ...hello, stream_options: { include_usage: true } });
  let received = '';
  stream.on('content', (delta) => {
    received += delta;
  });
  const final = await stream.finalChatCompletion();
  assert.equal(received, texts.plainText);
  assert.equal(final.choices[0]?.message.content, texts.plainText);
  assert.equal(final.choices[0]?.finish_reason, 'stop');
  assert.deepEqual(await stream.totalUsage(), { prompt_tokens: 46, completion_tokens: 44, total_tokens: 90 });
});

test('settings are sent to Ollama as its options, num_ctx through an extra field', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const extra: object = { options: { num_ctx: 8192, top_k: 3 }, keep_alive: '10m' };
  await connect(proxy).chat.completions.create({
    ...hello,
    temperature: 0.2,
    top_p: 0.9,
    seed: 7,
    stop: 'END',
    max_completion_tokens: 99,
    reasoning_effort: 'low',
    ...extra,
  });
  const options = { num_ctx: 8192, top_k: 3, temperature: 0.2, top_p: 0.9, seed: 7, stop: ['END'], num_predict: 99 };
  assert.deepEqual(proxy.asked, [{ ...hello, stream: true, think: 'low', keep_alive: '10m', options }]);
});

test('the messages of an earlier answer can be sent again as the SDK returned them', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-think-true-stream'), replay('ollama-0.17.4/chat-plain-stream')),
  );
  const client = connect(proxy);
  const messages: ChatCompletionMessageParam[] = [
    { role: 'developer', content: 'Be kind.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
  ];
  const first = await client.chat.completions.create({ model: 'm', messages });
  assert.ok(first.choices[0]);
  messages.push(first.choices[0].message, { role: 'user', content: 'And "you" \\ 🙂?\n' });
  const second = await client.chat.completions.create({ model: 'm', messages });
  assert.equal(second.choices[0]?.message.content, texts.plainText);
  const firstMessages = [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'Hi' },
  ];
  const secondMessages = [
    ...firstMessages,
    { role: 'assistant', content: texts.greeting, thinking: texts.thought },
    { role: 'user', content: 'And "you" \\ 🙂?\n' },
  ];
  assert.deepEqual(proxy.asked, [
    { model: 'm', messages: firstMessages, stream: true },
    { model: 'm', messages: secondMessages, stream: true },
  ]);
});

test('thinking is returned beside the text, streamed and not streamed', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-think-true-stream'));
  const client = connect(proxy);
  const extra: object = { think: true };
  const whole = await client.chat.completions.create({ ...hello, ...extra });
  const { content, ...rest } = whole.choices[0]?.message ?? {};
  assert.equal(content, texts.greeting);
  assert.deepEqual(rest, {
    role: 'assistant',
    refusal: null,
    reasoning_content: texts.thought,
    reasoning: texts.thought,
  });
  const chunks = await collect(await client.chat.completions.create({ ...hello, ...extra, stream: true }));
  const deltas: { reasoning_content?: string; content?: unknown }[] = chunks.map(
    (chunk) => chunk.choices[0]?.delta ?? {},
  );
  assert.equal(deltas.map((delta) => delta.reasoning_content ?? '').join(''), texts.thought);
  assert.equal(textOf(chunks), texts.greeting);
  const upstreamBody = { ...hello, stream: true, think: true };
  assert.deepEqual(proxy.asked, [upstreamBody, upstreamBody]);
});

test('logprobs has one entry for each token', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-logprobs-stream'));
  const answer = await connect(proxy).chat.completions.create({ ...hello, logprobs: true });
  const tokens = answer.choices[0]?.logprobs?.content ?? [];
  assert.equal(answer.choices[0]?.finish_reason, 'length');
  assert.deepEqual(tokens.map(({ token }) => token).join(''), 'Hello! I am a scripted');
  assert.deepEqual(tokens[0], { token: 'Hello', logprob: 0, bytes: [72, 101, 108, 108, 111], top_logprobs: [] });
});

test('an image is sent to Ollama as base64 without a data URI', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-images-non-vision-stream'));
  const image_url = { url: 'data:image/png;base64,iVBORw0KGgo=' };
  const content = [
    { type: 'text' as const, text: 'see' },
    { type: 'image_url' as const, image_url },
  ];
  await connect(proxy).chat.completions.create({ model: 'm', messages: [{ role: 'user', content }] });
  assert.deepEqual(proxy.asked, [
    { model: 'm', messages: [{ role: 'user', content: 'see', images: ['iVBORw0KGgo='] }], stream: true },
  ]);
});

const getWeather = zodFunction({
  name: 'get_weather',
  description: 'Weather in a city',
  parameters: z.object({ city: z.string() }),
  function: ({ city }) => `18 C, sunny in ${city}`,
});
const getTime = zodFunction({
  name: 'get_time',
  parameters: z.object({}),
  function: () => ({ time: '09:41' }),
});

test('runTools runs a tool, and its result is sent to Ollama as a tool message', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-tool-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
  );
  const runner = connect(proxy).chat.completions.runTools({ ...hello, tools: [getWeather] });
  assert.equal(await runner.finalContent(), texts.weatherText);
  assert.deepEqual(await runner.totalUsage(), { prompt_tokens: 637, completion_tokens: 35, total_tokens: 672 });
  const call = {
    id: 'call_mjx4h239',
    function: { name: 'get_weather', arguments: { city: 'Paris', unit: 'celsius' } },
  };
  const history = [
    ...messages,
    { role: 'assistant', content: '', tool_calls: [call] },
    { role: 'tool', content: '18 C, sunny in Paris', tool_call_id: 'call_mjx4h239', tool_name: 'get_weather' },
  ];
  const [first, second] = proxy.asked as { messages: unknown; tools: { function: object }[] }[];
  assert.deepEqual(first?.messages, messages);
  assert.deepEqual(second?.messages, history);
  assert.equal(first.tools.length, 1);
  assert.partialDeepStrictEqual(first.tools[0]?.function, {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  });
  assert.deepEqual(second.tools, first.tools);
});

test('runTools runs a tool without arguments, streamed', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-toolnoargs-stream'), replay('ollama-0.33/chat-tools-result-stream')),
  );
  const runner = connect(proxy).chat.completions.runTools({ ...hello, stream: true, tools: [getTime] });
  assert.equal(await runner.finalFunctionToolCallResult(), '{"time":"09:41"}');
  assert.equal(await runner.finalContent(), texts.weatherText);
  assert.equal((await runner.finalFunctionToolCall())?.arguments, '{}');
});

test('two tool calls in one stream keep their ids and indices', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-tools-tool2-stream'));
  const client = connect(proxy);
  const chunks = await collect(await client.chat.completions.create({ ...hello, stream: true }));
  const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
  const [paris, tokyo] = ['{"city":"Paris"}', '{"zone":"Asia/Tokyo"}'];
  assert.deepEqual(calls, [
    { index: 0, id: 'call_x7ofeuw7', type: 'function', function: { name: 'get_weather', arguments: paris } },
    { index: 1, id: 'call_4ksm3dk6', type: 'function', function: { name: 'get_time', arguments: tokyo } },
  ]);
  assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'tool_calls');
  const final = await client.chat.completions.stream(hello).finalMessage();
  assert.deepEqual(
    final.tool_calls?.map((call) => call.type === 'function' && call.function.arguments),
    [paris, tokyo],
  );
});

/** A line with a tool call as early Ollama versions sent it: without an id, and always with index 0. */
function bareCallLine(city: string): string {
  const call = { function: { index: 0, name: 'get_weather', arguments: { city } } };
  return chatLine('', { message: { role: 'assistant', content: '', tool_calls: [call] } });
}

test('two tool calls without ids and with the same index stay separate', async () => {
  await using proxy = await proxied((res) => void res.end(bareCallLine('Oslo') + bareCallLine('Rome') + doneLine()));
  const { tool_calls: calls = [] } = await connect(proxy).chat.completions.stream(hello).finalMessage();
  const cities = calls.map((call) => call.type === 'function' && call.function.arguments);
  assert.deepEqual(cities, ['{"city":"Oslo"}', '{"city":"Rome"}']);
  assert.equal(new Set(calls.map(({ id }) => id)).size, 2);
});

const person = z.object({ name: z.string(), age: z.int(), tags: z.array(z.string()), note: z.string() });
const alice = { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' };

test('structured output: the schema is sent to Ollama as format, and the answer is parsed', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema-stream'));
  const client = connect(proxy);
  const response_format = zodResponseFormat(person, 'person');
  const whole = await client.chat.completions.parse({ ...hello, response_format });
  assert.deepEqual(whole.choices[0]?.message.parsed, alice);
  const streamed = await client.chat.completions.stream({ ...hello, response_format }).finalChatCompletion();
  assert.deepEqual(streamed.choices[0]?.message.parsed, alice);
  const format = response_format.json_schema.schema;
  assert.deepEqual(format?.['required'], ['name', 'age', 'tags', 'note']);
  const upstreamBody = { ...hello, stream: true, format };
  assert.deepEqual(proxy.asked, [upstreamBody, upstreamBody]);
});

test('models are listed, and retrieved by ids with slashes and colons', async () => {
  // Without details of the models, as from an upstream that does not know them.
  const answer: Answer = (res) => void res.writeHead(404).end('{"error":"model not found"}');
  await using proxy = await proxied(answer, {}, ['scripted-plain:latest', 'hf.co/someone/model:Q4']);
  const client = connect(proxy);
  const { data } = await client.models.list();
  assert.deepEqual(
    data.map(({ id }) => id),
    ['scripted-plain:latest', 'hf.co/someone/model:Q4'],
  );
  const created = Date.parse('2026-11-21T03:56:00Z') / 1000;
  const { _request_id, ...model } = await client.models.retrieve('hf.co/someone/model:Q4');
  assert.deepEqual(model, { id: 'hf.co/someone/model:Q4', object: 'model', created, owned_by: 'someone' });
  await assert.rejects(client.models.retrieve('no-such-model'), { status: 404, code: 'model_not_found' });
});
