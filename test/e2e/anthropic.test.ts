import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  Anthropic,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  type ClientOptions,
  InternalServerError,
  NotFoundError,
} from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import type { MessageParam, MessageStreamEvent } from '@anthropic-ai/sdk/resources/messages';
import { z } from 'zod';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import { chatLine, doneLine, plainAnswer } from '../helpers/ollama-answers.ts';
import * as texts from './texts.ts';

const user = { role: 'user' as const, content: 'hello' };
const hello = { model: 'scripted-plain', max_tokens: 100, messages: [user] };
const upstreamBody = { model: 'scripted-plain', messages: [user], stream: true, options: { num_predict: 100 } };
const plain = replay('ollama-0.17.4/chat-plain-stream');

function connect({ gateway }: Proxied, options: ClientOptions = {}): Anthropic {
  return new Anthropic({ baseURL: gateway.url, apiKey: secret, maxRetries: 0, ...options });
}

async function collect(stream: AsyncIterable<MessageStreamEvent>): Promise<MessageStreamEvent[]> {
  const events: MessageStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

suite('the Anthropic SDK', () => {
  test('returns a whole message, and sends Ollama only what the client sent', async () => {
    await using proxy = await proxied(plain);
    const message = await connect(proxy).messages.create(hello);
    assert.deepEqual(message.content, [{ type: 'text', text: texts.plainText }]);
    assert.deepEqual([message.type, message.role, message.model], ['message', 'assistant', 'scripted-plain']);
    assert.deepEqual([message.stop_reason, message.stop_sequence], ['end_turn', null]);
    assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [46, 44]);
    assert.match(message.id, /^msg_/);
    assert.deepEqual(proxy.asked, [upstreamBody]);
  });

  test('streams a message with every event in order', async () => {
    await using proxy = await proxied(plain);
    const events = await collect(await connect(proxy).messages.create({ ...hello, stream: true }));
    const [start, open, ...rest] = events;
    assert.equal(start?.type === 'message_start' && start.message.usage.input_tokens, 2);
    assert.deepEqual(open, { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
    const kinds = rest.map(({ type }) => type);
    assert.deepEqual(
      [...new Set(kinds)],
      ['content_block_delta', 'content_block_stop', 'message_delta', 'message_stop'],
    );
    assert.deepEqual(kinds.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
    const end = rest.at(-2);
    assert.ok(end?.type === 'message_delta');
    assert.deepEqual([end.delta.stop_reason, end.usage.input_tokens, end.usage.output_tokens], ['end_turn', 46, 44]);
    assert.deepEqual(proxy.asked, [upstreamBody]);
  });

  test('sends a ping after message_start, and an event line before each data line', async () => {
    await using proxy = await proxied(plainAnswer(['Hi']));
    const body = JSON.stringify({ ...hello, stream: true });
    const response = await proxy.gateway.fetch('/v1/messages', { method: 'POST', body });
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    const text = await response.text();
    assert.match(
      text,
      /^event: message_start\ndata: \{.*\}\n\nevent: ping\ndata: \{"type":"ping"\}\n\nevent: content_/,
    );
    assert.match(text, /\n\nevent: message_stop\ndata: \{"type":"message_stop"\}\n\n$/);
  });

  test('stream helper: reports text deltas and the final message', async () => {
    await using proxy = await proxied(plain);
    const stream = connect(proxy).messages.stream(hello);
    let received = '';
    stream.on('text', (delta) => {
      received += delta;
    });
    const message = await stream.finalMessage();
    assert.equal(received, texts.plainText);
    assert.equal(await stream.finalText(), texts.plainText);
    assert.deepEqual(
      [message.stop_reason, message.usage.input_tokens, message.usage.output_tokens],
      ['end_turn', 46, 44],
    );
  });

  test('thinking is a signed block, and the next request sends it to Ollama as thinking', async () => {
    const think = replay('ollama-0.17.4/chat-think-true-stream');
    await using proxy = await proxied(inTurn(think, think, plain));
    const client = connect(proxy);
    const thinking = { type: 'enabled' as const, budget_tokens: 2048 };
    const whole = await client.messages.create({ ...hello, thinking });
    const streamed = await client.messages.stream({ ...hello, thinking }).finalMessage();
    assert.deepEqual(streamed.content, whole.content);
    const [thought, greeting] = streamed.content;
    assert.equal(thought?.type === 'thinking' && thought.thinking, texts.thought);
    assert.ok(thought?.type === 'thinking' && thought.signature.length > 0);
    assert.deepEqual(greeting, { type: 'text', text: texts.greeting });
    const messages: MessageParam[] = [user, { role: 'assistant', content: streamed.content }, user];
    await client.messages.create({ ...hello, messages });
    const before = { ...upstreamBody, think: 'low' };
    const answer = { role: 'assistant', content: texts.greeting, thinking: texts.thought };
    assert.deepEqual(proxy.asked, [before, before, { ...upstreamBody, messages: [user, answer, user] }]);
  });

  const weather = { name: 'get_weather', input_schema: { type: 'object' as const, properties: {} } };

  test('a tool call reaches the client, and its result is sent to Ollama as a tool message', async () => {
    await using proxy = await proxied(
      inTurn(replay('ollama-0.17.4/chat-tools-thinktool-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
    );
    const client = connect(proxy);
    const first = await client.messages.stream({ ...hello, tools: [weather] }).finalMessage();
    assert.equal(first.stop_reason, 'tool_use');
    const use = first.content.find((block) => block.type === 'tool_use');
    assert.deepEqual([use?.name, typeof use?.input], ['get_weather', 'object']);
    const result = { type: 'tool_result' as const, tool_use_id: use?.id ?? '', content: '18 C' };
    const messages: MessageParam[] = [
      user,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [result, { type: 'text', text: 'And?' }] },
    ];
    const second = await client.messages.create({ ...hello, messages, tools: [weather] });
    assert.deepEqual(second.content, [{ type: 'text', text: texts.weatherText }]);
    const history = (proxy.asked[1] as { messages: { role: string }[] }).messages;
    assert.partialDeepStrictEqual(history, [
      user,
      { role: 'assistant', tool_calls: [{ id: use?.id, function: { name: 'get_weather', arguments: use?.input } }] },
      { role: 'tool', content: '18 C', tool_call_id: use?.id, tool_name: 'get_weather' },
      { role: 'user', content: 'And?' },
    ]);
    assert.ok('thinking' in (history[1] ?? {}));
  });

  for (const stream of [true, false]) {
    test(`the tool runner runs a tool, stream: ${stream}`, async () => {
      await using proxy = await proxied(
        inTurn(replay('ollama-0.17.4/chat-tools-tool-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
      );
      const ran: unknown[] = [];
      const tool = betaZodTool({
        name: 'get_weather',
        description: 'Weather in a city',
        inputSchema: z.object({ city: z.string() }),
        run: (input) => {
          ran.push(input);
          return '18 C';
        },
      });
      const final = await connect(proxy).beta.messages.toolRunner({ ...hello, stream, tools: [tool] });
      assert.partialDeepStrictEqual(final.content, [{ type: 'text', text: texts.weatherText }]);
      assert.partialDeepStrictEqual(ran, [{ city: 'Paris' }]);
      assert.equal(proxy.asked.length, 2);
    });
  }

  test('two tool calls in one stream are two tool_use blocks', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-tools-tool2-stream'));
    const { content } = await connect(proxy)
      .messages.stream({ ...hello, tools: [weather] })
      .finalMessage();
    assert.deepEqual(
      content.flatMap((block) => (block.type === 'tool_use' ? [[block.name, block.input]] : [])),
      [
        ['get_weather', { city: 'Paris' }],
        ['get_time', { zone: 'Asia/Tokyo' }],
      ],
    );
  });

  test('structured output: the schema is sent to Ollama as format, and the answer is parsed', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema-stream'));
    const person = z.object({ name: z.string(), age: z.int(), tags: z.array(z.string()), note: z.string() });
    const format = zodOutputFormat(person);
    const message = await connect(proxy).messages.parse({ ...hello, output_config: { format } });
    assert.deepEqual(message.parsed_output, { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' });
    assert.deepEqual(proxy.asked, [{ ...upstreamBody, format: format.schema }]);
  });

  for (const stream of [true, false]) {
    test(`stop_sequence holds the sequence that ended the answer, stream: ${stream}`, async () => {
      await using proxy = await proxied(plainAnswer(['One', ' two', ' EN', 'D', ' three']));
      const body = { ...hello, stop_sequences: ['never', 'END'] };
      const { messages } = connect(proxy);
      const message = stream ? await messages.stream(body).finalMessage() : await messages.create(body);
      assert.deepEqual(message.content, [{ type: 'text', text: 'One two ' }]);
      assert.deepEqual([message.stop_reason, message.stop_sequence], ['stop_sequence', 'END']);
    });
  }

  test('an answer cut at its limit has stop_reason max_tokens', async () => {
    await using proxy = await proxied((res) => void res.end(chatLine('Hel') + doneLine({ done_reason: 'length' })));
    const { messages } = connect(proxy);
    assert.equal((await messages.create(hello)).stop_reason, 'max_tokens');
    assert.equal((await messages.stream(hello).finalMessage()).stop_reason, 'max_tokens');
  });

  test("countTokens returns the model's own count, by generating one token", async () => {
    await using proxy = await proxied((res) => void res.end(chatLine('H') + doneLine({ done_reason: 'length' })));
    const { model, messages } = hello;
    const count = await connect(proxy).messages.countTokens({ model, messages, system: 'Be kind.' });
    assert.equal(count.input_tokens, 46);
    const prompt = [{ role: 'system', content: 'Be kind.' }, user];
    assert.deepEqual(proxy.asked, [{ ...upstreamBody, messages: prompt, options: { num_predict: 1 } }]);
  });

  test('an image is sent to Ollama as base64', async () => {
    await using proxy = await proxied(plain);
    const source = { type: 'base64' as const, media_type: 'image/png' as const, data: 'iVBORw0KGgo=' };
    const content = [
      { type: 'image' as const, source },
      { type: 'text' as const, text: 'see' },
    ];
    await connect(proxy).messages.create({ ...hello, messages: [{ role: 'user', content }] });
    assert.deepEqual(proxy.asked, [
      { ...upstreamBody, messages: [{ role: 'user', content: 'see', images: ['iVBORw0KGgo='] }] },
    ]);
  });

  test('a field without effect is listed in x-llamaduct-dropped, or refused in strict mode', async () => {
    const body = { ...hello, metadata: { user_id: 'u' }, cache_control: { type: 'ephemeral' as const } };
    await using proxy = await proxied(plain);
    const { response } = await connect(proxy).messages.create(body).withResponse();
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'metadata, cache_control');
    await using strict = await proxied(plain, { strict: true });
    await assert.rejects(connect(strict).messages.create(body), { status: 400, type: 'invalid_request_error' });
  });

  test('accepts the key in x-api-key or in authorization', async () => {
    await using proxy = await proxied(plain);
    for (const headers of [{ 'x-api-key': secret }, { authorization: `Bearer ${secret}` }]) {
      const response = await fetch(`${proxy.gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { ...headers, 'anthropic-version': '2023-06-01', 'anthropic-beta': 'x-2026-01-01' },
        body: JSON.stringify(hello),
      });
      assert.equal(response.status, 200);
    }
  });
});

suite('the Anthropic SDK, failures', () => {
  test('leaving a stream early aborts the upstream request', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
    let received = '';
    for await (const event of await connect(proxy).messages.create({ ...hello, stream: true })) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') received += event.delta.text;
      if (received === 'Hello! I') break;
    }
    assert.equal(await proxy.phaseLeft(), 'streaming');
  });

  test('aborting the stream helper aborts the upstream request', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
    const stream = connect(proxy).messages.stream(hello);
    const aborted = assert.rejects(stream.done(), APIUserAbortError);
    stream.on('text', (_delta, received) => {
      if (received === 'Hello! I') stream.abort();
    });
    await aborted;
    assert.equal(await proxy.phaseLeft(), 'streaming');
  });

  for (const call of ['create', 'countTokens'] as const) {
    test(`aborting ${call} before the first byte aborts the upstream request`, async () => {
      await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 0, after: 'hold' }));
      const controller = new AbortController();
      const { messages } = connect(proxy);
      const aborted = assert.rejects(
        Promise.resolve(messages[call](hello, { signal: controller.signal })),
        APIUserAbortError,
      );
      await proxy.reached();
      controller.abort();
      await aborted;
      assert.equal(await proxy.phaseLeft(), 'waiting');
    });
  }

  test('an invalid key throws an AuthenticationError, and nothing is sent to the upstream', async () => {
    await using proxy = await proxied(plain);
    const { messages } = connect(proxy, { apiKey: 'sk-wrong' });
    const expected = {
      constructor: AuthenticationError,
      status: 401,
      type: 'authentication_error',
      apiMessage: 'Incorrect API key provided.',
    };
    await assert.rejects(messages.create(hello), expected);
    await assert.rejects(messages.stream(hello).finalMessage(), expected);
    await assert.rejects(messages.countTokens(hello), expected);
    assert.deepEqual(proxy.asked, []);
  });

  for (const stream of [true, false]) {
    test(`an unknown model throws a NotFoundError, stream: ${stream}`, async () => {
      await using proxy = await proxied(replay('ollama-0.17.4/chat-unknown-model-stream'));
      await assert.rejects(connect(proxy).messages.create({ ...hello, stream, model: 'no-such-model' }), {
        constructor: NotFoundError,
        status: 404,
        type: 'not_found_error',
        apiMessage: "model 'no-such-model' not found. Available models: scripted-plain:latest.",
      });
    });
  }

  test('an invalid field throws a BadRequestError that names it', async () => {
    await using proxy = await proxied(plain);
    const { messages } = connect(proxy);
    const badRequest = { constructor: BadRequestError, status: 400, type: 'invalid_request_error' };
    const { max_tokens: _, ...unlimited } = hello;
    await assert.rejects(messages.create(unlimited as typeof hello), {
      ...badRequest,
      apiMessage: 'max_tokens is required.',
    });
    const extra: object = { temperature: 'hot' };
    await assert.rejects(messages.create({ ...hello, ...extra }), {
      ...badRequest,
      apiMessage: 'temperature must be a number.',
    });
    assert.deepEqual(proxy.asked, []);
  });

  test('a busy upstream throws an overloaded_error with Retry-After', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/busy-503'));
    await assert.rejects(connect(proxy).messages.create({ ...hello, stream: true }), (error) => {
      assert.ok(error instanceof InternalServerError);
      assert.deepEqual([error.status, error.type, error.apiMessage], [529, 'overloaded_error', texts.busyText]);
      assert.equal(error.headers.get('retry-after'), '5');
      assert.equal(error.headers.get('x-should-retry'), 'true');
      return true;
    });
  });

  test('the SDK does not retry when a model cannot be loaded', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-out-of-memory'));
    await assert.rejects(connect(proxy, { maxRetries: 2 }).messages.create(hello), { status: 502, type: 'api_error' });
    assert.equal(proxy.asked.length, 1);
  });

  const streamFailures = [
    {
      name: 'an error line in mid-stream',
      answer: replay('ollama-0.17.4/killed-runner-chat-stream'),
      received: ' item1 item2 item3 ite',
      apiMessage: texts.killedRunnerText,
    },
    {
      name: 'a connection broken in mid-stream',
      answer: replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'break' }),
      received: 'Hello! I',
      apiMessage: texts.brokenConnectionText,
    },
    {
      name: 'a stream that ends without a done line',
      answer: replay('ollama-0.17.4/chat-repeat-stream'),
      received: ' ha'.repeat(31),
      apiMessage: texts.incompleteText,
    },
  ];
  for (const { name, answer, received, apiMessage } of streamFailures) {
    test(`create and stream throw after ${name}`, async () => {
      await using proxy = await proxied(answer);
      const { messages } = connect(proxy);
      const expected = { type: 'api_error', apiMessage };
      let text = '';
      const read = async (): Promise<void> => {
        for await (const event of await messages.create({ ...hello, stream: true })) {
          assert.notEqual(event.type, 'message_stop');
          if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
        }
      };
      await assert.rejects(read(), { constructor: APIError, status: undefined, ...expected });
      assert.equal(text, received);
      await assert.rejects(messages.stream(hello).finalMessage(), expected);
      await assert.rejects(messages.create(hello), { constructor: InternalServerError, status: 502, ...expected });
    });
  }

  test("an unknown path under /v1/messages gets a 404 in Anthropic's error format", async () => {
    await using proxy = await proxied(plain);
    const response = await proxy.gateway.fetch('/v1/messages/batches', { method: 'POST', body: '{}' });
    assert.equal(response.status, 404);
    assert.partialDeepStrictEqual(await response.json(), { type: 'error', error: { type: 'not_found_error' } });
  });
});
