import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { chunksOf, liveGateway, answerOfCompletion, sdk, user, weatherTools } from './live.ts';

const gateway = await liveGateway();
after(() => gateway.close());
const client = sdk(gateway);

test('a tool call, its result and the answer make a conversation', async () => {
  const request = { model: 'scripted-tools', tools: weatherTools };
  const messages: ChatCompletionMessageParam[] = [user('What is the weather in Paris?')];
  const first = await client.chat.completions.create({ ...request, messages });
  const message = first.choices[0]?.message;
  assert.equal(first.choices[0]?.finish_reason, 'tool_calls');
  assert.equal(message?.content, null);
  assert.deepEqual(answerOfCompletion(first).calls, [
    { name: 'get_weather', arguments: { city: 'Paris', unit: 'celsius' } },
  ]);

  const [call] = message?.tool_calls ?? [];
  assert.ok(message !== undefined && call !== undefined);
  messages.push(message, { role: 'tool', tool_call_id: call.id, content: '18 degrees, sunny' });
  const second = answerOfCompletion(await client.chat.completions.create({ ...request, messages }));
  assert.deepEqual([second.text, second.finish], ['It is 18 degrees and sunny in Paris right now.', 'stop']);
});

test('parallel calls in a stream have indices from 0 and an id each', async () => {
  const request = {
    model: 'scripted-tools-parallel',
    messages: [user('hi')],
    tools: weatherTools,
    stream: true as const,
  };
  const chunks = await chunksOf(client.chat.completions.create(request));
  const calls = chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []));
  assert.deepEqual(
    calls.map(({ index, type, function: call }) => [index, type, call?.name, JSON.parse(call?.arguments ?? '')]),
    [
      [0, 'function', 'get_weather', { city: 'Paris' }],
      [1, 'function', 'get_time', { zone: 'Asia/Tokyo' }],
    ],
  );
  assert.equal(new Set(calls.map(({ id }) => id)).size, 2);
  assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'tool_calls');
});

test('text and thinking before a tool call come first in the stream', async () => {
  for (const [model, start, before] of [
    ['scripted-tools-text', 'hi', 'content'],
    ['scripted-think-tools', 'hi', 'reasoning_content'],
  ] as const) {
    const request = { model, messages: [user(start)], tools: weatherTools, stream: true as const };
    const chunks = await chunksOf(client.chat.completions.create(request));
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta as Record<string, unknown>));
    const last = deltas.findLastIndex((delta) => Boolean(delta[before]));
    const call = deltas.findIndex((delta) => delta['tool_calls'] !== undefined);
    assert.ok(last >= 0 && last < call, model);
  }
});

test('tool_choice none makes the model answer in text', async () => {
  const answer = await client.chat.completions.create({
    model: 'scripted-tools',
    messages: [user('hi')],
    tools: weatherTools,
    tool_choice: 'none',
  });
  assert.match(answerOfCompletion(answer).text, /^Hello! I am a scripted model/);
});

test('with tools and a response_format the model calls a tool or follows the format, never anything else', async () => {
  const schema = {
    type: 'object',
    properties: { ok: { type: 'boolean' } },
    required: ['ok'],
    additionalProperties: false,
  };
  for (const model of ['scripted-tools', 'scripted-tools-parallel', 'scripted-tools-json']) {
    const answer = await client.chat.completions.create({
      model,
      messages: [user('hi')],
      tools: weatherTools,
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
      max_tokens: 400,
    });
    const { text, calls, finish } = answerOfCompletion(answer);
    if (finish === 'tool_calls') assert.ok(calls.every(({ name }) => ['get_weather', 'get_time'].includes(name)));
    else if (finish === 'stop') assert.equal(typeof (JSON.parse(text) as { ok: unknown }).ok, 'boolean');
    // A call that the limit cuts is left out.
    else assert.match(text, /^\s*(\{|$)/);
  }
});

test('a model whose template has no tools gets them in a system message, and its text becomes a call', async () => {
  for (const [script, content, city] of [
    ['texttool', 'Let me look that up for you.\n\n', 'Lima'],
    ['tooljson', null, 'Vienna'],
  ] as const) {
    const request = { model: 'scripted-plain', messages: [user(`<|s:${script}|>`)], tools: weatherTools };
    const { data, response } = await client.chat.completions.create(request).withResponse();
    assert.equal(response.headers.get('x-llamaduct-tools'), 'emulate');
    assert.equal(data.choices[0]?.message.content, content);
    assert.equal(data.choices[0]?.finish_reason, 'tool_calls');
    assert.deepEqual(answerOfCompletion(data).calls, [{ name: 'get_weather', arguments: { city } }]);
  }
});
