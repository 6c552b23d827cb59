import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { recording } from '../helpers/recordings.ts';
import { replay } from '../helpers/replay.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

/** Faults that other gateways between OpenAI's clients and Ollama have, or had: none of them is ours. */

/** What a client sees of one answer, and what the upstream was asked for it. */
interface Seen {
  readonly status: number;
  readonly text: string;
  /** The events of a stream that are chunks. */
  readonly chunks: ChatCompletionChunk[];
  /** Paths of all requests. */
  readonly paths: string[];
  /** The body of the last `/api/chat`. */
  readonly asked: Record<string, unknown>;
}

async function ask(answer: Answer, body: object, on?: (gateway: TestGateway) => Promise<void>): Promise<Seen> {
  await using upstream = await fakeUpstream((res, request) =>
    request.url === '/api/show' ? void res.end(shown) : answer(res, request),
  );
  await using gateway = await testGateway(upstream);
  await on?.(gateway);
  const response = await gateway.chat(body);
  const text = await response.text();
  const chats = upstream.requests.filter(({ url }) => url === '/api/chat');
  return {
    status: response.status,
    text,
    chunks: events(text).flatMap((event) => ('choices' in event ? [event] : [])),
    paths: upstream.requests.map(({ url }) => url),
    asked: JSON.parse(chats.at(-1)?.body ?? '{}') as Record<string, unknown>,
  };
}

const shown = JSON.stringify({
  capabilities: ['completion', 'tools', 'thinking', 'vision'],
  model_info: { 'general.architecture': 'llama', 'llama.context_length': 8192 },
});

/** The JSON of a stream's events, by line feeds alone: texts hold other ends of lines. */
function events(text: string): (ChatCompletionChunk | { error: { code: string; message: string } })[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
    .map((line) => JSON.parse(line.slice('data: '.length)) as ChatCompletionChunk);
}

const deltas = ({ chunks }: Seen): ChatCompletionChunk.Choice.Delta[] =>
  chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
const calls = (seen: Seen): ChatCompletionChunk.Choice.Delta.ToolCall[] =>
  deltas(seen).flatMap((delta) => delta.tool_calls ?? []);
const content = (seen: Seen): string =>
  deltas(seen)
    .map((delta) => delta.content ?? '')
    .join('');
const finishReasons = ({ chunks }: Seen): string[] =>
  chunks.flatMap(({ choices }) => choices.flatMap(({ finish_reason: reason }) => reason ?? []));
const whole = ({ text }: Seen): ChatCompletion => JSON.parse(text) as ChatCompletion;

const streamed = { stream: true, stream_options: { include_usage: true } };
const weather = { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
const time = { name: 'get_time', parameters: { type: 'object', properties: { zone: { type: 'string' } } } };
const tools = [weather, time].map((called) => ({ type: 'function', function: called }));
const call = (name: string, args: object, rest: object = {}): object => ({
  function: { name, arguments: args, ...rest },
});
const user = (text: unknown): object => ({ role: 'user', content: text });

/** Answers with these lines, a write for each. */
const lines =
  (...all: readonly string[]): Answer =>
  (res) => {
    ndjson(res);
    for (const line of all) res.write(line);
    res.end();
  };

for (const [peer, answer] of [
  ['LiteLLM: every streamed tool call has index 0', replay('ollama-0.17.4/chat-tools-tool2-stream')],
  [
    'MindRouter: the index of tool calls restarts with each chunk',
    // As some of Ollama's parsers number them.
    lines(
      chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' }, { index: 0 })) }),
      chatLine('', { message: toolMessage(call('get_time', { zone: 'Asia/Tokyo' }, { index: 0 })) }),
      doneLine(),
    ),
  ],
] as const) {
  test(peer, async () => {
    const seen = await ask(answer, { ...streamed, tools });
    assert.deepEqual(
      calls(seen).map(({ index, function: called }) => [index, called?.name]),
      [
        [0, 'get_weather'],
        [1, 'get_time'],
      ],
    );
  });
}

test("LiteLLM: the second call's id is replaced", async () => {
  const seen = await ask(replay('ollama-0.17.4/chat-tools-tool2-stream'), { ...streamed, tools });
  assert.deepEqual(
    calls(seen).map(({ id }) => id),
    ['call_x7ofeuw7', 'call_4ksm3dk6'],
  );
});

test("LiteLLM: the chunks' id changes from one to the next", async () => {
  const { chunks } = await ask(replay('ollama-0.17.4/chat-plain-stream'), streamed);
  assert.ok(chunks.length > 40);
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
});

test('LiteLLM: <think> disappears from a text that mentions it', async () => {
  const text = 'use the <think> tag and the </think> tag';
  const answer = lines(...text.split(/(?= )/).map((piece) => chatLine(piece)), doneLine());
  assert.equal(content(await ask(answer, streamed)), text);
  assert.equal(whole(await ask(answer, {})).choices[0]?.message.content, text);
  const { asked } = await ask(answer, { messages: [user(text)] });
  assert.deepEqual(asked['messages'], [user(text)]);
});

for (const peer of [
  "LiteLLM: an error in mid-stream is a KeyError: 'message'",
  'MindRouter: an error in mid-stream becomes an empty delta',
]) {
  test(peer, async () => {
    const seen = await ask(replay('ollama-0.17.4/chat-harmony-broken-after-text-stream'), { ...streamed, tools });
    const last = events(seen.text).at(-1);
    assert.ok(last !== undefined && 'error' in last);
    assert.match(last.error.message, /error parsing tool call/);
    assert.ok(deltas(seen).length > 0 && deltas(seen).every((delta) => Object.keys(delta).length > 0));
    assert.deepEqual(finishReasons(seen), []);
    assert.doesNotMatch(seen.text, /\[DONE\]/);
  });
}

test('LiteLLM: tool_choice is dropped', async () => {
  const answer = plainAnswer();
  assert.equal((await ask(answer, { tools, tool_choice: 'none' })).asked['tools'], undefined);
  assert.notEqual((await ask(answer, { tools, tool_choice: 'auto' })).asked['tools'], undefined);
  const { asked: required } = await ask(answer, { tools, tool_choice: 'required' });
  assert.match(JSON.stringify(required['format']), /get_weather.*get_time/);
  const { asked: named } = await ask(answer, {
    tools,
    tool_choice: { type: 'function', function: { name: 'get_time' } },
  });
  assert.match(JSON.stringify(named['format']), /get_time/);
  assert.doesNotMatch(JSON.stringify(named['format']), /get_weather/);
});

test('LiteLLM: frequency_penalty 0 becomes repeat_penalty 0', async () => {
  const { asked } = await ask(plainAnswer(), { frequency_penalty: 0 });
  assert.deepEqual(asked['options'], { frequency_penalty: 0 });
});

test('LiteLLM: every chat costs a request to /api/show', async () => {
  const { paths } = await ask(plainAnswer(), {}, async (gateway) => {
    await (await gateway.chat()).text();
    await (await gateway.chat()).text();
  });
  assert.equal(paths.filter((path) => path === '/api/chat').length, 3);
  assert.ok(paths.length <= 4, 'what it has to know of a model it asks once');
});

test('LiteLLM: reasoning_tokens are invented', async () => {
  const answer = replay('ollama-0.17.4/chat-think-true-stream');
  const { chunks } = await ask(answer, streamed);
  const usages = [chunks.at(-1)?.usage, whole(await ask(answer, {})).usage];
  for (const usage of usages) {
    assert.ok(usage !== null && usage !== undefined && usage.completion_tokens > 0);
    assert.equal(usage.completion_tokens_details, undefined);
  }
});

for (const peer of [
  'LiteLLM: tool_calls takes the place of length',
  'MindRouter: an answer that was cut never ends in length',
]) {
  test(peer, async () => {
    const answer = lines(
      chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' })) }),
      doneLine({ done_reason: 'length' }),
    );
    assert.deepEqual(finishReasons(await ask(answer, { ...streamed, tools })), ['length']);
    assert.equal(whole(await ask(answer, { tools })).choices[0]?.finish_reason, 'length');
    const cut = replay('ollama-0.17.4/chat-num-predict-5-stream');
    assert.deepEqual(finishReasons(await ask(cut, streamed)), ['length']);
    assert.equal(whole(await ask(cut, {})).choices[0]?.finish_reason, 'length');
  });
}

test('MindRouter: a stream of tool calls ends in stop', async () => {
  // Ollama's own done_reason is stop.
  const answer = replay('ollama-0.17.4/chat-tools-tool2-stream');
  assert.deepEqual(finishReasons(await ask(answer, { ...streamed, tools })), ['tool_calls']);
});

test('MindRouter: a character cut in two by the network raises', async () => {
  const { body } = recording('ollama-0.17.4/chat-utf8-stream');
  const answer: Answer = (res) => {
    ndjson(res);
    // Each byte is a chunk of its own.
    for (const byte of body) res.write(Buffer.of(byte));
    res.end();
  };
  const seen = await ask(answer, streamed);
  assert.match(content(seen), /^Emoji 🎉 family 👩‍👩‍👧‍👦 flag 🇯🇵, Japanese 日本語です。/u);
  assert.equal(content(seen), content(await ask(replay('ollama-0.17.4/chat-utf8-stream'), streamed)));
  assert.deepEqual(finishReasons(seen), ['stop']);
});

test('MindRouter: an image by URL is dropped', async () => {
  const parts = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'https://images.example/cat.png' } },
  ];
  const { status, text, paths } = await ask(plainAnswer(), { messages: [user(parts)] });
  assert.equal(status, 400);
  assert.match(
    (JSON.parse(text) as { error: { param: string } }).error.param,
    /^messages\[0\]\.content\[1\](\.image_url(\.url)?)?$/,
  );
  assert.ok(!paths.includes('/api/chat'));
});

test('MindRouter: each piece of the arguments becomes a call without arguments', async () => {
  const seen = await ask(replay('ollama-0.17.4/chat-tools-toolargs-stream'), { ...streamed, tools });
  assert.equal(calls(seen).length, 1);
  const args = JSON.parse(calls(seen)[0]?.function?.arguments ?? '') as Record<string, unknown>;
  assert.deepEqual(Object.keys(args).length, 9);
  assert.deepEqual(args['nested'], { a: { b: [] } });
});

test('Portkey: an answer without a limit is cut at 100 tokens', async () => {
  const { asked } = await ask(plainAnswer(), {});
  assert.doesNotMatch(JSON.stringify(asked), /num_predict|max_tokens/);
});

test('new-api: the ids of calls are those of the turn before', async () => {
  // As older servers send them.
  const answer = lines(
    chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' }), call('get_time', {})) }),
    doneLine(),
  );
  const ids = [await ask(answer, { ...streamed, tools }), await ask(answer, { ...streamed, tools })].flatMap((seen) =>
    calls(seen).map(({ id }) => id),
  );
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 4);
});

test('new-api: calls on the done line are lost', async () => {
  const answer = replay('ollama-0.17.4/chat-harmony-tool-stream');
  const seen = await ask(answer, { ...streamed, tools });
  assert.deepEqual(
    calls(seen).map(({ function: called }) => called),
    [{ name: 'get_weather', arguments: '{"city":"Seoul","unit":"celsius"}' }],
  );
  assert.deepEqual(finishReasons(seen), ['tool_calls']);
});

test('LoLLMs Hub: a line in two pieces is lost, and so is the second of two lines in one', async () => {
  const { body } = recording('ollama-0.17.4/chat-plain-stream');
  const expected = content(await ask(replay('ollama-0.17.4/chat-plain-stream'), streamed));
  assert.match(expected, /^Hello! I am a scripted model .* the seed\.$/);
  for (const size of [100, body.length]) {
    const answer: Answer = (res) => {
      ndjson(res);
      for (let at = 0; at < body.length; at += size) res.write(body.subarray(at, at + size));
      res.end();
    };
    assert.equal(content(await ask(answer, streamed)), expected);
  }
});

test('LoLLMs Hub: no finish_reason and no usage', async () => {
  const seen = await ask(replay('ollama-0.17.4/chat-plain-stream'), streamed);
  assert.deepEqual(finishReasons(seen), ['stop']);
  const { prompt_tokens: input = 0, completion_tokens: output, total_tokens: total } = seen.chunks.at(-1)?.usage ?? {};
  assert.ok(input > 0);
  assert.deepEqual([output, total], [44, input + 44]);
});

test('ollama-orchestrator: arguments are sent as an object', async () => {
  const answer = replay('ollama-0.17.4/chat-harmony-tool-stream');
  const seen = await ask(answer, { ...streamed, tools });
  assert.equal(typeof calls(seen)[0]?.function?.arguments, 'string');
  const [called] = whole(await ask(answer, { tools })).choices[0]?.message.tool_calls ?? [];
  assert.ok(called?.type === 'function');
  assert.deepEqual(JSON.parse(called.function.arguments), { city: 'Seoul', unit: 'celsius' });
  // The way back: Ollama refuses them as text.
  const history = [user('hi'), { role: 'assistant', content: null, tool_calls: [called] }];
  const { asked } = await ask(plainAnswer(), { tools, messages: history });
  const [, message] = asked['messages'] as { tool_calls: { function: { arguments: unknown } }[] }[];
  assert.deepEqual(message?.tool_calls[0]?.function.arguments, { city: 'Seoul', unit: 'celsius' });
});

test('ollama-orchestrator: thinking is dropped', async () => {
  const thought = 'The user greets me. A short polite reply will do.\n';
  const seen = await ask(replay('ollama-0.17.4/chat-think-true-stream'), streamed);
  const reasoning = deltas(seen).map((delta) => (delta as { reasoning_content?: string }).reasoning_content ?? '');
  assert.equal(reasoning.join(''), thought);
  const history = [user('hi'), { role: 'assistant', content: 'Good day.', reasoning_content: thought }, user('again')];
  const { asked } = await ask(plainAnswer(), { messages: history });
  assert.equal((asked['messages'] as { thinking?: string }[])[1]?.thinking, thought);
});

function toolMessage(...toolCalls: readonly object[]): object {
  return { role: 'assistant', content: '', tool_calls: toolCalls };
}
