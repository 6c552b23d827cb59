import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  type ClientOptions,
  InternalServerError,
  UnprocessableEntityError,
  NotFoundError,
  OpenAI,
  PermissionDeniedError,
} from 'openai';
import { hashSecret } from '../../src/config/secret.ts';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const hello = { model: 'scripted-plain', messages: [{ role: 'user' as const, content: 'hello' }] };

function connect({ gateway }: Proxied, options: ClientOptions = {}): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret, maxRetries: 0, ...options });
}

test('leaving a stream early aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const stream = await connect(proxy).chat.completions.create({ ...hello, stream: true });
  let received = '';
  for await (const chunk of stream) {
    received += chunk.choices[0]?.delta.content ?? '';
    if (received === 'Hello! I') break;
  }
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

test('aborting the stream helper aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const stream = connect(proxy).chat.completions.stream(hello);
  const aborted = assert.rejects(stream.done(), APIUserAbortError);
  stream.on('content', (_delta, received) => {
    if (received === 'Hello! I') stream.abort();
  });
  await aborted;
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

for (const stream of [true, false]) {
  test(`aborting before the first byte aborts the upstream request, stream: ${stream}`, async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 0, after: 'hold' }));
    const controller = new AbortController();
    const pending = connect(proxy).chat.completions.create({ ...hello, stream }, { signal: controller.signal });
    const aborted = assert.rejects(pending, APIUserAbortError);
    await proxy.reached();
    controller.abort();
    await aborted;
    assert.equal(await proxy.phaseLeft(), 'waiting');
  });
}

test('aborting a request that is not streamed aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 40, after: 'hold' }));
  const controller = new AbortController();
  const pending = connect(proxy).chat.completions.create(hello, { signal: controller.signal });
  const aborted = assert.rejects(pending, APIUserAbortError);
  await proxy.streaming();
  controller.abort();
  await aborted;
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

test('a timeout of the SDK aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 0, after: 'hold' }));
  const pending = connect(proxy, { timeout: 250 }).chat.completions.create(hello);
  await assert.rejects(pending, { message: 'Request timed out.' });
  assert.equal(await proxy.phaseLeft(), 'waiting');
});

test('an invalid key throws an AuthenticationError, and nothing is sent to the upstream', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  const client = connect(proxy, { apiKey: 'sk-wrong' });
  const expected = {
    constructor: AuthenticationError,
    status: 401,
    code: 'invalid_api_key',
    type: 'invalid_request_error',
    param: null,
    message: '401 Incorrect API key provided.',
  };
  await assert.rejects(client.chat.completions.create(hello), expected);
  await assert.rejects(client.chat.completions.create({ ...hello, stream: true }), expected);
  await assert.rejects(client.models.list(), expected);
  assert.deepEqual(proxy.asked, []);
});

test('a model that the key may not use throws a PermissionDeniedError', async () => {
  const keys = [{ name: 'limited', hash: hashSecret(secret), models: ['llama*'] }];
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'), { keys });
  await assert.rejects(connect(proxy).chat.completions.create(hello), {
    constructor: PermissionDeniedError,
    status: 403,
    code: 'model_not_allowed',
    param: 'model',
  });
  assert.deepEqual(proxy.asked, []);
});

for (const stream of [true, false]) {
  test(`an unknown model throws a NotFoundError, stream: ${stream}`, async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-unknown-model-stream'));
    await assert.rejects(connect(proxy).chat.completions.create({ ...hello, stream, model: 'no-such-model' }), {
      constructor: NotFoundError,
      status: 404,
      code: 'model_not_found',
      type: 'invalid_request_error',
      param: 'model',
      message: "404 model 'no-such-model' not found. Available models: scripted-plain:latest.",
    });
  });
}

test('an invalid field throws a BadRequestError that names it in param', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-options-bad-type'));
  const { completions } = connect(proxy).chat;
  const badRequest = { constructor: BadRequestError, status: 400, type: 'invalid_request_error' };
  const wrongType: object = { temperature: 'hot' };
  await assert.rejects(completions.create({ ...hello, ...wrongType }), {
    ...badRequest,
    param: 'temperature',
    message: '400 temperature must be a number.',
  });
  const url = 'https://example.com/cat.png';
  const content = [{ type: 'image_url' as const, image_url: { url } }];
  await assert.rejects(completions.create({ ...hello, messages: [{ role: 'user', content }] }), {
    ...badRequest,
    param: 'messages[0].content[0].image_url.url',
  });
  assert.deepEqual(proxy.asked, []);
  const extra: object = { options: { unknown_option: 'hot' } };
  await assert.rejects(completions.create({ ...hello, ...extra }), {
    ...badRequest,
    param: 'options.temperature',
    message: '400 option "temperature" must be of type float32',
  });
});

test('a busy upstream throws an InternalServerError with Retry-After', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/busy-503'));
  await assert.rejects(connect(proxy).chat.completions.create({ ...hello, stream: true }), (error) => {
    assert.ok(error instanceof InternalServerError);
    assert.equal(error.message, `503 ${texts.busyText}`);
    assert.deepEqual([error.status, error.code, error.type], [503, 'upstream_busy', 'server_error']);
    assert.equal(error.headers.get('retry-after'), '5');
    assert.equal(error.headers.get('x-should-retry'), 'true');
    return true;
  });
});

test('the SDK does not retry when a model cannot be loaded', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-out-of-memory'));
  await assert.rejects(connect(proxy, { maxRetries: 2 }).chat.completions.create(hello), {
    constructor: InternalServerError,
    status: 502,
    code: 'model_load_failed',
    message: '502 model requires more system memory (800.0 GiB) than is available (23.0 GiB)',
  });
  assert.equal(proxy.asked.length, 1);
});

test('an unreachable upstream gives a 502 that does not reveal its address', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream'));
  await proxy.upstream[Symbol.asyncDispose]();
  await assert.rejects(connect(proxy).chat.completions.create(hello), {
    constructor: InternalServerError,
    status: 502,
    code: 'upstream_unreachable',
    message: '502 The upstream cannot be reached.',
  });
});

const streamFailures = [
  {
    name: 'an error line in mid-stream',
    answer: replay('ollama-0.17.4/chat-harmony-broken-after-text-stream'),
    received: 'Need the weather tool.',
    expected: { code: 'upstream_request_failed', type: 'server_error', message: texts.brokenCallText },
  },
  {
    name: 'a runner killed in mid-stream',
    answer: replay('ollama-0.17.4/killed-runner-chat-stream'),
    received: ' item1 item2 item3 ite',
    expected: { code: 'upstream_crashed', type: 'server_error', message: texts.killedRunnerText },
  },
  {
    name: 'a connection broken in mid-stream',
    answer: replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'break' }),
    received: 'Hello! I',
    expected: { code: 'upstream_incomplete', type: 'server_error', message: texts.brokenConnectionText },
  },
  {
    name: 'a stream that ends without a done line',
    answer: replay('ollama-0.17.4/chat-repeat-stream'),
    received: ' ha'.repeat(31),
    expected: { code: 'upstream_incomplete', type: 'server_error', message: texts.incompleteText },
  },
];

for (const { name, answer, received, expected } of streamFailures) {
  test(`create and stream throw after ${name}`, async () => {
    await using proxy = await proxied(answer);
    const { completions } = connect(proxy).chat;
    let text = '';
    const read = async (): Promise<void> => {
      for await (const chunk of await completions.create({ ...hello, stream: true })) {
        const delta: { content?: string | null; reasoning_content?: string } = chunk.choices[0]?.delta ?? {};
        text += (delta.reasoning_content ?? '') + (delta.content ?? '');
      }
    };
    await assert.rejects(read(), { constructor: APIError, status: undefined, ...expected });
    assert.equal(text, received);
    await assert.rejects(completions.stream(hello).finalChatCompletion(), expected);
    const [constructor, status] =
      expected.code === 'upstream_request_failed'
        ? ([UnprocessableEntityError, 422] as const)
        : ([InternalServerError, 502] as const);
    const whole = { constructor, status, ...expected, message: `${status} ${expected.message}` };
    await assert.rejects(completions.create(hello), whole);
    assert.equal(proxy.asked.length, 3);
  });
}
