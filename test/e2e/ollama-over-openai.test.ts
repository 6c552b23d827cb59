import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type ChatResponse, type Message, Ollama } from 'ollama';
import { type TestGateway, secret, testGateway, ending } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { chunk, openaiError, saying, stream as streaming, usageChunk } from '../helpers/openai-answers.ts';
import { type Answer, type FakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import { until } from '../helpers/wait.ts';
import * as texts from './texts.ts';

const messages = [{ role: 'user', content: 'hello' }];
const hello = { model: 'scripted', messages };

interface OpenaiBacked extends AsyncDisposable {
  readonly upstream: FakeUpstream;
  readonly gateway: TestGateway;
  readonly client: Ollama;
  /** The parsed bodies of all requests to the upstream. */
  readonly upstreamBodies: Record<string, unknown>[];
}

/** Starts llamaduct in front of a server with an OpenAI API, and a client of the ollama package. */
async function openaiBacked(answer: Answer, models?: readonly string[]): Promise<OpenaiBacked> {
  const upstream = await openaiUpstream(answer, models);
  const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' }, upstream: { kind: 'openai' } });
  return {
    upstream,
    gateway,
    client: new Ollama({ host: gateway.url, headers: { authorization: `Bearer ${secret}` } }),
    get upstreamBodies() {
      return upstream.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    },
    ...ending(gateway, upstream),
  };
}

async function linesOf(answer: Promise<AsyncIterable<ChatResponse>>): Promise<ChatResponse[]> {
  const lines: ChatResponse[] = [];
  for await (const line of await answer) lines.push(line);
  return lines;
}

const textOf = (lines: readonly ChatResponse[]): string => lines.map(({ message }) => message.content).join('');
const thinkingOf = (lines: readonly ChatResponse[]): string =>
  lines.map(({ message }) => message.thinking ?? '').join('');

suite('chat over an OpenAI API', () => {
  test('streams lines as Ollama does, with measured durations', async () => {
    await using proxy = await openaiBacked(saying('Hello', ' there', '!'));
    const lines = await linesOf(proxy.client.chat({ ...hello, stream: true }));
    assert.deepEqual(
      lines.map(({ message, done }) => [message, done]),
      [
        [{ role: 'assistant', content: 'Hello' }, false],
        [{ role: 'assistant', content: ' there' }, false],
        [{ role: 'assistant', content: '!' }, false],
        [{ role: 'assistant', content: '' }, true],
      ],
    );
    const last = lines.at(-1);
    assert.ok(last);
    const { created_at: createdAt, total_duration: total, eval_duration: evaluation, ...rest } = last;
    assert.ok(Math.abs(Date.parse(String(createdAt)) - Date.now()) < 10_000);
    assert.ok(total > 0 && total < 10e9, String(total));
    assert.ok(evaluation > 0 && evaluation <= total, String(evaluation));
    assert.deepEqual(rest, {
      model: 'scripted',
      message: { role: 'assistant', content: '' },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 9,
      eval_count: 3,
    });
    const [{ method, url, headers } = assert.fail()] = proxy.upstream.requests;
    assert.deepEqual([method, url, headers.authorization], ['POST', '/v1/chat/completions', undefined]);
    assert.deepEqual(proxy.upstreamBodies[0]?.['messages'], messages);
  });

  test('returns an answer that is not streamed', async () => {
    await using proxy = await openaiBacked(saying('Hello', ' there'));
    const { created_at: _, total_duration: total, ...answer } = await proxy.client.chat(hello);
    assert.ok(total > 0);
    assert.equal(answer.message.content, 'Hello there');
    assert.deepEqual([answer.done, answer.done_reason, answer.eval_count], [true, 'stop', 2]);
  });

  test('returns reasoning_content as thinking, streamed and not streamed', async () => {
    const chunks = [
      chunk({ role: 'assistant', reasoning_content: 'Hm' }),
      chunk({ reasoning_content: '...' }),
      chunk({ content: 'Yes' }),
      chunk({}, 'length'),
      usageChunk(1, 3),
    ];
    await using proxy = await openaiBacked(streaming(chunks));
    const lines = await linesOf(proxy.client.chat({ ...hello, stream: true, think: true }));
    assert.deepEqual([thinkingOf(lines), textOf(lines), lines.at(-1)?.done_reason], ['Hm...', 'Yes', 'length']);
    const { message } = await proxy.client.chat({ ...hello, think: 'low' });
    assert.deepEqual(message, { role: 'assistant', content: 'Yes', thinking: 'Hm...' });
  });

  test('joins fragments of tool calls, and gives tool results the ids of their calls', async () => {
    const call = (index: number, rest: object, args: string): object =>
      chunk({ tool_calls: [{ index, ...rest, function: { ...rest, arguments: args } }] });
    const calls = [
      call(0, { id: 'call_a', type: 'function', name: 'get_weather' }, '{"city":'),
      call(0, {}, ' "Paris"}'),
      call(1, { id: 'call_b', type: 'function', name: 'get_time' }, '{}'),
      chunk({}, 'tool_calls'),
      usageChunk(9, 9),
    ];
    await using proxy = await openaiBacked(inTurn(streaming(calls), saying('Sunny.')));
    const tools = ['get_weather', 'get_time'].map((name) => ({ type: 'function', function: { name } }));
    const lines = await linesOf(proxy.client.chat({ ...hello, tools, stream: true }));
    const called = lines.flatMap(({ message }) => message.tool_calls ?? []);
    assert.deepEqual(
      called.map((each) => each.function),
      [
        { index: 0, name: 'get_weather', arguments: { city: 'Paris' } },
        { index: 1, name: 'get_time', arguments: {} },
      ],
    );
    assert.equal(lines.at(-1)?.done_reason, 'stop');
    const history: Message[] = [
      ...messages,
      // In the package's types a call has no id.
      { role: 'assistant', content: '', tool_calls: called.map((each) => ({ function: each.function })) },
      { role: 'tool', tool_name: 'get_time', content: 'noon' },
      { role: 'tool', tool_name: 'get_weather', content: 'sunny' },
    ];
    assert.equal((await proxy.client.chat({ ...hello, messages: history, tools })).message.content, 'Sunny.');
    const sent = proxy.upstreamBodies[1]?.['messages'] as { tool_calls?: { id: string }[]; [field: string]: unknown }[];
    assert.deepEqual(
      sent[1]?.tool_calls?.map(({ id }) => id),
      ['call_0', 'call_1'],
    );
    assert.deepEqual(
      sent.slice(2).map(({ role, tool_call_id: id, content }) => [role, id, content]),
      [
        // In the order of the calls: few templates show the ids.
        ['tool', 'call_0', 'sunny'],
        ['tool', 'call_1', 'noon'],
      ],
    );
  });

  test('sends options, format and images as fields of the OpenAI API', async () => {
    await using proxy = await openaiBacked(saying('{}'));
    const schema = { type: 'object', properties: { name: { type: 'string' } } };
    await proxy.client.chat({
      model: 'scripted',
      messages: [{ role: 'user', content: 'see', images: [Buffer.from('iVBORw0KGgo=', 'base64')] }],
      format: schema,
      options: { temperature: 0.5, top_p: 0.9, seed: 7, stop: ['END'], num_predict: 12 },
    });
    const [body] = proxy.upstreamBodies;
    assert.ok(body);
    assert.deepEqual([body['temperature'], body['top_p'], body['seed'], body['stop']], [0.5, 0.9, 7, ['END']]);
    assert.equal(body['max_tokens'] ?? body['max_completion_tokens'], 12);
    const text = JSON.stringify(body);
    assert.ok(text.includes('data:image/png;base64,iVBORw0KGgo='), text);
    assert.deepEqual((body['response_format'] as { json_schema: { schema: object } }).json_schema.schema, schema);
  });

  test('streams by default, and lists fields without effect in x-llamaduct-dropped', async () => {
    await using proxy = await openaiBacked(saying('Hi'));
    const answer = await proxy.gateway.fetch('/api/chat', {
      method: 'POST',
      // Not `hello`: the package adds `stream` to the object it gets.
      body: JSON.stringify({ model: 'scripted', messages, shift: true, options: { num_ctx: 8192 } }),
    });
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
    const dropped = (answer.headers.get('x-llamaduct-dropped') ?? '').split(', ');
    assert.deepEqual(dropped.toSorted(), ['options.num_ctx', 'shift']);
    assert.ok((await answer.text()).endsWith('}\n'));
  });

  test('a request without messages reports load or unload, and nothing is sent to the upstream', async () => {
    await using proxy = await openaiBacked(saying('Hi'));
    const loaded = await proxy.client.chat({ model: 'scripted' });
    assert.deepEqual([loaded.done, loaded.done_reason, loaded.message.content], [true, 'load', '']);
    const unloaded = await proxy.client.generate({ model: 'scripted', prompt: '', keep_alive: 0 });
    assert.deepEqual([unloaded.done, unloaded.done_reason, unloaded.response], [true, 'unload', '']);
    const [line, ...more] = await linesOf(proxy.client.chat({ model: 'scripted', stream: true }));
    assert.deepEqual([line?.done_reason, more], ['load', []]);
    assert.deepEqual(proxy.upstreamBodies, []);
  });

  test('translates recorded streams of a real server', async () => {
    await using proxy = await openaiBacked(
      inTurn(replay('v1-0.17.4/chat-plain-stream'), replay('v1-0.17.4/chat-reasoning-default-stream')),
    );
    assert.equal(textOf(await linesOf(proxy.client.chat({ ...hello, stream: true }))), texts.plainText);
    const lines = await linesOf(proxy.client.chat({ ...hello, stream: true }));
    assert.deepEqual([thinkingOf(lines), textOf(lines)], [texts.thought, texts.greeting]);
  });
});

suite('other endpoints over an OpenAI API', () => {
  test('generate is sent as a chat with one user message, streamed and not streamed', async () => {
    await using proxy = await openaiBacked(saying('Good', ' day'));
    const request = { model: 'scripted', prompt: 'hello', system: 'Be brief.' };
    let text = '';
    for await (const { response } of await proxy.client.generate({ ...request, stream: true })) text += response;
    assert.equal(text, 'Good day');
    const whole = await proxy.client.generate(request);
    assert.deepEqual([whole.response, whole.done, whole.done_reason], ['Good day', true, 'stop']);
    assert.deepEqual(proxy.upstreamBodies[1]?.['messages'], [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hello' },
    ]);
  });

  test('generate with raw is sent as a completion', async () => {
    const textChunk = (text: string, reason: string | null): object => ({
      id: 'cmpl-1',
      object: 'text_completion',
      created: 1,
      model: 'scripted',
      choices: [{ index: 0, text, logprobs: null, finish_reason: reason }],
    });
    await using proxy = await openaiBacked(streaming([textChunk('Yes', null), textChunk('', 'stop')]));
    const { response } = await proxy.client.generate({ model: 'scripted', prompt: '<s>', raw: true });
    assert.equal(response, 'Yes');
    assert.deepEqual(
      [proxy.upstream.requests[0]?.url, proxy.upstreamBodies[0]?.['prompt']],
      ['/v1/completions', '<s>'],
    );
  });

  test('embed and embeddings return the vectors of the upstream', async () => {
    await using proxy = await openaiBacked((res, { body }) => {
      const { input } = JSON.parse(body) as { input: string[] };
      const data = input.map((_, index) => ({ object: 'embedding', index, embedding: [index, 0.5] }));
      sendJson(res, 200, { object: 'list', model: 'scripted', data, usage: { prompt_tokens: 4, total_tokens: 4 } });
    });
    const { client } = proxy;
    const { total_duration: total, ...rest } = await client.embed({ model: 'scripted', input: ['a', 'b'] });
    assert.ok(total > 0);
    const embeddings = [
      [0, 0.5],
      [1, 0.5],
    ];
    assert.deepEqual(rest, { model: 'scripted', embeddings, prompt_eval_count: 4 });
    assert.deepEqual(await client.embeddings({ model: 'scripted', prompt: 'a' }), { embedding: [0, 0.5] });
    assert.equal(proxy.upstreamBodies.length, 2);
    assert.deepEqual(await client.embed({ model: 'scripted', input: [] }), { model: 'scripted', embeddings: [] });
    assert.equal(proxy.upstreamBodies.length, 2);
  });

  test('list, show, ps, version and / answer as Ollama does', async () => {
    await using proxy = await openaiBacked(saying('Hi'), ['one', 'two/b']);
    const { client, gateway } = proxy;
    const { models } = await client.list();
    assert.deepEqual(
      models.map(({ name, model, size }) => [name, model, size]),
      [
        ['one', 'one', 0],
        ['two/b', 'two/b', 0],
      ],
    );
    const shown = await client.show({ model: 'two/b' });
    assert.ok(Array.isArray(shown.capabilities));
    assert.deepEqual([shown.details.families, typeof shown.model_info], [[], 'object']);
    await assert.rejects(client.show({ model: 'three' }), { name: 'ResponseError', status_code: 404 });
    assert.deepEqual(await client.ps(), { models: [] });
    assert.deepEqual(await client.version(), { version: '0.17.4' });
    assert.equal(await (await gateway.fetch('/')).text(), 'Ollama is running');
    assert.equal((await gateway.fetch('/', { method: 'HEAD' })).status, 200);
    // Only an Ollama has endpoints that change its models.
    await assert.rejects(client.delete({ model: 'one' }), { name: 'ResponseError', status_code: 404 });
  });
});

suite('errors over an OpenAI API', () => {
  test('an error status of the upstream becomes the same status with a text', async () => {
    await using proxy = await openaiBacked((res) => sendJson(res, 404, openaiError('No model named scripted.')));
    const { client } = proxy;
    for (const send of [
      async () => await client.chat(hello),
      async () => await client.chat({ ...hello, stream: true }),
      async () => await client.generate({ model: 'scripted', prompt: 'hi' }),
    ]) {
      await assert.rejects(send(), (error: Error & { status_code?: number }) => {
        assert.deepEqual([error.name, error.status_code], ['ResponseError', 404]);
        assert.ok(error.message !== '' && !error.message.includes('[object'), error.message);
        return true;
      });
    }
  });

  test('an invalid request and an invalid key are refused, and nothing is sent to the upstream', async () => {
    await using proxy = await openaiBacked(saying('Hi'));
    const invalid = proxy.client.chat({ ...hello, format: 'xml' });
    await assert.rejects(invalid, { name: 'ResponseError', status_code: 400, message: /^format must be/ });
    const intruder = new Ollama({ host: proxy.gateway.url, headers: { authorization: 'Bearer wrong' } });
    await assert.rejects(intruder.list(), { name: 'ResponseError', status_code: 401 });
    assert.deepEqual(proxy.upstreamBodies, []);
  });

  const begun = [chunk({ role: 'assistant', content: 'Hel' }), chunk({ content: 'lo' })];
  const streamFailures: [string, Answer][] = [
    ['an error in mid-stream', streaming([...begun, openaiError('Out of memory.', { type: 'server_error' })])],
    ['a connection broken in mid-stream', streaming(begun, 'break')],
  ];
  for (const [name, answer] of streamFailures) {
    test(`chat throws after ${name}`, async () => {
      await using proxy = await openaiBacked(answer);
      let text = '';
      const read = async (): Promise<void> => {
        for await (const { message } of await proxy.client.chat({ ...hello, stream: true })) text += message.content;
      };
      await assert.rejects(read(), (error: Error) => {
        assert.equal(error.name, 'Error');
        // The package's error for a stream that ends without a done line.
        assert.doesNotMatch(error.message, /Did not receive done/);
        return true;
      });
      assert.equal(text, 'Hello');
    });
  }

  test('arguments that are not JSON reach the client as text', async () => {
    const broken = chunk({
      tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"a": ' } }],
    });
    await using proxy = await openaiBacked(streaming([broken, chunk({}, 'tool_calls'), usageChunk(1, 1)]));
    const lines = await linesOf(proxy.client.chat({ ...hello, stream: true }));
    const calls = lines.flatMap(({ message }) => message.tool_calls ?? []);
    assert.deepEqual(
      calls.map((call) => call.function.arguments as unknown),
      ['{"a": '],
    );
  });
});

test('aborting a stream aborts the upstream request', async () => {
  await using proxy = await openaiBacked(streaming([chunk({ role: 'assistant', content: 'Hello' })], 'hold'));
  const stream = await proxy.client.chat({ ...hello, stream: true });
  const read = async (): Promise<void> => {
    for await (const { message } of stream) if (message.content === 'Hello') stream.abort();
  };
  await assert.rejects(read(), { name: 'AbortError' });
  await until('the upstream request to be aborted', () => proxy.upstream.open === 0, 1_000);
});
