import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { recording } from '../helpers/recordings.ts';
import { replay } from '../helpers/replay.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

// Bugs that other gateways between OpenAI's clients and Ollama have or had. In parentheses: the gateway, and what it does.

/** One exchange: what the client received and what the upstream received. */
interface Exchange {
  readonly status: number;
  readonly text: string;
  /** The events of a stream that are chunks. */
  readonly chunks: ChatCompletionChunk[];
  /** The paths of all requests to the upstream. */
  readonly paths: string[];
  /** The body of the last request to `/api/chat`. */
  readonly sent: Record<string, unknown>;
}

/** @param before runs before the request */
async function send(answer: Answer, body: object, before?: (gateway: TestGateway) => Promise<void>): Promise<Exchange> {
  await using upstream = await fakeUpstream((res, request) =>
    request.url === '/api/show' ? void res.end(shown) : answer(res, request),
  );
  await using gateway = await testGateway(upstream);
  await before?.(gateway);
  const response = await gateway.chat(body);
  const text = await response.text();
  const chats = upstream.requests.filter(({ url }) => url === '/api/chat');
  return {
    status: response.status,
    text,
    chunks: events(text).flatMap((event) => ('choices' in event ? [event] : [])),
    paths: upstream.requests.map(({ url }) => url),
    sent: JSON.parse(chats.at(-1)?.body ?? '{}') as Record<string, unknown>,
  };
}

const shown = JSON.stringify({
  capabilities: ['completion', 'tools', 'thinking', 'vision'],
  model_info: { 'general.architecture': 'llama', 'llama.context_length': 8192 },
});

/** @returns the JSON of a stream's events. Only line feeds end a line: texts hold other line separators. */
function events(text: string): (ChatCompletionChunk | { error: { code: string; message: string } })[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
    .map((line) => JSON.parse(line.slice('data: '.length)) as ChatCompletionChunk);
}

const deltas = ({ chunks }: Exchange): ChatCompletionChunk.Choice.Delta[] =>
  chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
const calls = (exchange: Exchange): ChatCompletionChunk.Choice.Delta.ToolCall[] =>
  deltas(exchange).flatMap((delta) => delta.tool_calls ?? []);
const content = (exchange: Exchange): string =>
  deltas(exchange)
    .map((delta) => delta.content ?? '')
    .join('');
const finishReasons = ({ chunks }: Exchange): string[] =>
  chunks.flatMap(({ choices }) => choices.flatMap(({ finish_reason: reason }) => reason ?? []));
const whole = ({ text }: Exchange): ChatCompletion => JSON.parse(text) as ChatCompletion;

const streamed = { stream: true, stream_options: { include_usage: true } };
const weather = { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
const time = { name: 'get_time', parameters: { type: 'object', properties: { zone: { type: 'string' } } } };
const tools = [weather, time].map((called) => ({ type: 'function', function: called }));
const call = (name: string, args: object, rest: object = {}): object => ({
  function: { name, arguments: args, ...rest },
});
const user = (text: unknown): object => ({ role: 'user', content: text });

/** Answers with these lines, one write each. */
const lines =
  (...all: readonly string[]): Answer =>
  (res) => {
    ndjson(res);
    for (const line of all) res.write(line);
    res.end();
  };

for (const [name, answer] of [
  [
    'tool calls of one line are numbered from 0 (LiteLLM: every call has index 0)',
    replay('ollama-0.17.4/chat-tools-tool2-stream'),
  ],
  [
    'tool calls of several lines are numbered through (MindRouter: the index restarts with each chunk)',
    // Some of Ollama's parsers give every call the index 0.
    lines(
      chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' }, { index: 0 })) }),
      chatLine('', { message: toolMessage(call('get_time', { zone: 'Asia/Tokyo' }, { index: 0 })) }),
      doneLine(),
    ),
  ],
] as const) {
  test(name, async () => {
    const seen = await send(answer, { ...streamed, tools });
    assert.deepEqual(
      calls(seen).map(({ index, function: called }) => [index, called?.name]),
      [
        [0, 'get_weather'],
        [1, 'get_time'],
      ],
    );
  });
}

test('tool calls keep the ids that Ollama gave them (LiteLLM: replaces the second id)', async () => {
  const seen = await send(replay('ollama-0.17.4/chat-tools-tool2-stream'), { ...streamed, tools });
  assert.deepEqual(
    calls(seen).map(({ id }) => id),
    ['call_x7ofeuw7', 'call_4ksm3dk6'],
  );
});

test('all chunks of a stream have one id (LiteLLM: each chunk has another)', async () => {
  const { chunks } = await send(replay('ollama-0.17.4/chat-plain-stream'), streamed);
  assert.ok(chunks.length > 40);
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
});

test('a text that mentions <think> is kept unchanged (LiteLLM: removes the tags)', async () => {
  const text = 'use the <think> tag and the </think> tag';
  const answer = lines(...text.split(/(?= )/).map((word) => chatLine(word)), doneLine());
  assert.equal(content(await send(answer, streamed)), text);
  assert.equal(whole(await send(answer, {})).choices[0]?.message.content, text);
  const { sent } = await send(answer, { messages: [user(text)] });
  assert.deepEqual(sent['messages'], [user(text)]);
});

for (const name of [
  "an error in mid-stream becomes an error event (LiteLLM: KeyError: 'message')",
  'an error in mid-stream becomes an error event (MindRouter: an empty delta)',
]) {
  test(name, async () => {
    const seen = await send(replay('ollama-0.17.4/chat-harmony-broken-after-text-stream'), { ...streamed, tools });
    const last = events(seen.text).at(-1);
    assert.ok(last !== undefined && 'error' in last);
    assert.match(last.error.message, /error parsing tool call/);
    assert.ok(deltas(seen).length > 0 && deltas(seen).every((delta) => Object.keys(delta).length > 0));
    assert.deepEqual(finishReasons(seen), []);
    assert.doesNotMatch(seen.text, /\[DONE\]/);
  });
}

test('tool_choice limits the tools that the model may call (LiteLLM: drops it)', async () => {
  const answer = plainAnswer();
  assert.equal((await send(answer, { tools, tool_choice: 'none' })).sent['tools'], undefined);
  assert.notEqual((await send(answer, { tools, tool_choice: 'auto' })).sent['tools'], undefined);
  const { sent: required } = await send(answer, { tools, tool_choice: 'required' });
  assert.match(JSON.stringify(required['format']), /get_weather.*get_time/);
  const { sent: named } = await send(answer, {
    tools,
    tool_choice: { type: 'function', function: { name: 'get_time' } },
  });
  assert.match(JSON.stringify(named['format']), /get_time/);
  assert.doesNotMatch(JSON.stringify(named['format']), /get_weather/);
});

test('frequency_penalty 0 is sent as frequency_penalty 0 (LiteLLM: sends repeat_penalty 0)', async () => {
  const { sent } = await send(plainAnswer(), { frequency_penalty: 0 });
  assert.deepEqual(sent['options'], { frequency_penalty: 0 });
});

test('three chats need at most one request to /api/show (LiteLLM: one for each chat)', async () => {
  const { paths } = await send(plainAnswer(), {}, async (gateway) => {
    await (await gateway.chat()).text();
    await (await gateway.chat()).text();
  });
  assert.equal(paths.filter((path) => path === '/api/chat').length, 3);
  assert.ok(paths.length <= 4, '/api/show is requested once for each model');
});

test('usage has no reasoning_tokens, which Ollama does not count (LiteLLM: estimates them)', async () => {
  const answer = replay('ollama-0.17.4/chat-think-true-stream');
  const { chunks } = await send(answer, streamed);
  const usages = [chunks.at(-1)?.usage, whole(await send(answer, {})).usage];
  for (const usage of usages) {
    assert.ok(usage !== null && usage !== undefined && usage.completion_tokens > 0);
    assert.equal(usage.completion_tokens_details, undefined);
  }
});

for (const name of [
  'an answer cut at its limit has finish_reason length (LiteLLM: tool_calls, if there are calls)',
  'an answer cut at its limit has finish_reason length (MindRouter: stop)',
]) {
  test(name, async () => {
    const answer = lines(
      chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' })) }),
      doneLine({ done_reason: 'length' }),
    );
    assert.deepEqual(finishReasons(await send(answer, { ...streamed, tools })), ['length']);
    assert.equal(whole(await send(answer, { tools })).choices[0]?.finish_reason, 'length');
    const cut = replay('ollama-0.17.4/chat-num-predict-5-stream');
    assert.deepEqual(finishReasons(await send(cut, streamed)), ['length']);
    assert.equal(whole(await send(cut, {})).choices[0]?.finish_reason, 'length');
  });
}

test('a stream of tool calls has finish_reason tool_calls (MindRouter: stop)', async () => {
  // Ollama's own done_reason is stop.
  const answer = replay('ollama-0.17.4/chat-tools-tool2-stream');
  assert.deepEqual(finishReasons(await send(answer, { ...streamed, tools })), ['tool_calls']);
});

test('a character that arrives in two chunks is decoded (MindRouter: raises an exception)', async () => {
  const { body } = recording('ollama-0.17.4/chat-utf8-stream');
  const answer: Answer = (res) => {
    ndjson(res);
    // Each byte is a chunk of its own.
    for (const byte of body) res.write(Buffer.of(byte));
    res.end();
  };
  const seen = await send(answer, streamed);
  assert.match(content(seen), /^Emoji 🎉 family 👩‍👩‍👧‍👦 flag 🇯🇵, Japanese 日本語です。/u);
  assert.equal(content(seen), content(await send(replay('ollama-0.17.4/chat-utf8-stream'), streamed)));
  assert.deepEqual(finishReasons(seen), ['stop']);
});

test('an image URL is refused when fetching is off (MindRouter: drops the image)', async () => {
  const parts = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'https://images.example/cat.png' } },
  ];
  const { status, text, paths } = await send(plainAnswer(), { messages: [user(parts)] });
  assert.equal(status, 400);
  assert.match(
    (JSON.parse(text) as { error: { param: string } }).error.param,
    /^messages\[0\]\.content\[1\](\.image_url(\.url)?)?$/,
  );
  assert.ok(!paths.includes('/api/chat'));
});

test('arguments of a streamed call are complete (MindRouter: a call without arguments for each fragment)', async () => {
  const seen = await send(replay('ollama-0.17.4/chat-tools-toolargs-stream'), { ...streamed, tools });
  assert.equal(calls(seen).length, 1);
  const args = JSON.parse(calls(seen)[0]?.function?.arguments ?? '') as Record<string, unknown>;
  assert.deepEqual(Object.keys(args).length, 9);
  assert.deepEqual(args['nested'], { a: { b: [] } });
});

test('a request without a limit is sent without one (Portkey: limits it to 100 tokens)', async () => {
  const { sent } = await send(plainAnswer(), {});
  assert.doesNotMatch(JSON.stringify(sent), /num_predict|max_tokens/);
});

test('tool calls of two requests have different ids (new-api: repeats the ids)', async () => {
  // Older servers send calls without ids.
  const answer = lines(
    chatLine('', { message: toolMessage(call('get_weather', { city: 'Paris' }), call('get_time', {})) }),
    doneLine(),
  );
  const ids = [await send(answer, { ...streamed, tools }), await send(answer, { ...streamed, tools })].flatMap((seen) =>
    calls(seen).map(({ id }) => id),
  );
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 4);
});

test('tool calls next to the done line are kept (new-api: loses calls on the done line)', async () => {
  const answer = replay('ollama-0.17.4/chat-harmony-tool-stream');
  const seen = await send(answer, { ...streamed, tools });
  assert.deepEqual(
    calls(seen).map(({ function: called }) => called),
    [{ name: 'get_weather', arguments: '{"city":"Seoul","unit":"celsius"}' }],
  );
  assert.deepEqual(finishReasons(seen), ['tool_calls']);
});

test('lines are read however they arrive in chunks (LoLLMs Hub: loses split and joined lines)', async () => {
  const { body } = recording('ollama-0.17.4/chat-plain-stream');
  const expected = content(await send(replay('ollama-0.17.4/chat-plain-stream'), streamed));
  assert.match(expected, /^Hello! I am a scripted model .* the seed\.$/);
  for (const size of [100, body.length]) {
    const answer: Answer = (res) => {
      ndjson(res);
      for (let at = 0; at < body.length; at += size) res.write(body.subarray(at, at + size));
      res.end();
    };
    assert.equal(content(await send(answer, streamed)), expected);
  }
});

test('a stream has a finish_reason and usage (LoLLMs Hub: has neither)', async () => {
  const seen = await send(replay('ollama-0.17.4/chat-plain-stream'), streamed);
  assert.deepEqual(finishReasons(seen), ['stop']);
  const { prompt_tokens: input = 0, completion_tokens: output, total_tokens: total } = seen.chunks.at(-1)?.usage ?? {};
  assert.ok(input > 0);
  assert.deepEqual([output, total], [44, input + 44]);
});

test('arguments are JSON text for clients and an object for Ollama (ollama-orchestrator: an object for both)', async () => {
  const answer = replay('ollama-0.17.4/chat-harmony-tool-stream');
  const seen = await send(answer, { ...streamed, tools });
  assert.equal(typeof calls(seen)[0]?.function?.arguments, 'string');
  const [called] = whole(await send(answer, { tools })).choices[0]?.message.tool_calls ?? [];
  assert.ok(called?.type === 'function');
  assert.deepEqual(JSON.parse(called.function.arguments), { city: 'Seoul', unit: 'celsius' });
  // Ollama refuses arguments that are text.
  const history = [user('hi'), { role: 'assistant', content: null, tool_calls: [called] }];
  const { sent } = await send(plainAnswer(), { tools, messages: history });
  const [, message] = sent['messages'] as { tool_calls: { function: { arguments: unknown } }[] }[];
  assert.deepEqual(message?.tool_calls[0]?.function.arguments, { city: 'Seoul', unit: 'celsius' });
});

test('thinking reaches the client and goes back to the model (ollama-orchestrator: drops it)', async () => {
  const thought = 'The user greets me. A short polite reply will do.\n';
  const seen = await send(replay('ollama-0.17.4/chat-think-true-stream'), streamed);
  const reasoning = deltas(seen).map((delta) => (delta as { reasoning_content?: string }).reasoning_content ?? '');
  assert.equal(reasoning.join(''), thought);
  const history = [user('hi'), { role: 'assistant', content: 'Good day.', reasoning_content: thought }, user('again')];
  const { sent } = await send(plainAnswer(), { messages: history });
  assert.equal((sent['messages'] as { thinking?: string }[])[1]?.thinking, thought);
});

function toolMessage(...toolCalls: readonly object[]): object {
  return { role: 'assistant', content: '', tool_calls: toolCalls };
}
