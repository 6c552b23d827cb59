import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, type LanguageModel, StreamProviderError, generateText, streamText } from 'ai';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const prompt = 'hello';

function connect({ gateway }: Proxied, apiKey = secret): { model: LanguageModel; maxRetries: 0 } {
  const llamaduct = createOpenAICompatible({ name: 'llamaduct', baseURL: `${gateway.url}/v1`, apiKey });
  return { model: llamaduct('scripted-plain'), maxRetries: 0 };
}

test('aborting streamText in mid-stream aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const controller = new AbortController();
  const result = streamText({ ...connect(proxy), prompt, abortSignal: controller.signal });
  const parts: string[] = [];
  let received = '';
  for await (const part of result.stream) {
    parts.push(part.type);
    if (part.type === 'text-delta') received += part.text;
    if (received === 'Hello! I') controller.abort();
  }
  assert.equal(parts.at(-1), 'abort');
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

test('aborting streamText before the first byte aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 0, after: 'hold' }));
  const controller = new AbortController();
  const result = streamText({ ...connect(proxy), prompt, abortSignal: controller.signal });
  const aborted = assert.rejects(Promise.resolve(result.text));
  await proxy.reached();
  controller.abort();
  assert.equal(await proxy.phaseLeft(), 'waiting');
  await aborted;
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

const errorStatuses = [
  {
    name: 'an invalid API key',
    answer: replay('ollama-0.17.4/chat-plain-stream'),
    apiKey: 'sk-wrong',
    message: 'Incorrect API key provided.',
    expected: { statusCode: 401, isRetryable: false },
    data: { type: 'invalid_request_error', param: null, code: 'invalid_api_key' },
  },
  {
    name: 'an unknown model',
    answer: replay('ollama-0.17.4/chat-unknown-model-stream'),
    message: "model 'no-such-model' not found. Available models: scripted-plain:latest.",
    expected: { statusCode: 404, isRetryable: false },
    data: { type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
  },
  {
    name: 'an option of the wrong type',
    answer: replay('ollama-0.17.4/chat-options-bad-type'),
    message: 'option "temperature" must be of type float32',
    expected: { statusCode: 400, isRetryable: false },
    data: { type: 'invalid_request_error', param: 'options.temperature', code: null },
  },
  {
    name: 'a busy upstream',
    answer: replay('ollama-0.17.4/busy-503'),
    message: texts.busyText,
    expected: { statusCode: 503, isRetryable: true },
    data: { type: 'server_error', param: null, code: 'upstream_busy' },
    retryAfter: '5',
  },
];

for (const { name, answer, apiKey, message, expected, data, retryAfter } of errorStatuses) {
  test(`generateText and streamText report ${name} as an APICallError`, async () => {
    await using proxy = await proxied(answer);
    const settings = { ...connect(proxy, apiKey), prompt };
    const seen: unknown[] = [];
    const result = streamText({ ...settings, onError: (event) => void seen.push(event.error) });
    await assert.rejects(Promise.resolve(result.text), { name: 'AI_NoOutputGeneratedError' });
    await assert.rejects(generateText(settings), (error) => seen.push(error) > 0);
    assert.equal(seen.length, 2);
    for (const error of seen) {
      assert.ok(APICallError.isInstance(error));
      const { statusCode, isRetryable, responseHeaders } = error;
      assert.deepEqual(
        { statusCode, isRetryable, message: error.message, data: error.data },
        { ...expected, message, data: { error: { message, ...data } } },
      );
      assert.equal(responseHeaders?.['retry-after'], retryAfter);
    }
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
  // streamText's streams never throw: an error is a part of the full stream, and is handed to onError.
  test(`generateText and streamText report ${name}`, async () => {
    await using proxy = await proxied(answer);
    const settings = { ...connect(proxy), prompt };
    const seen: unknown[] = [];
    const result = streamText({ ...settings, onError: ({ error }) => void seen.push(error) });
    let text = '';
    for await (const part of result.stream) {
      if (part.type === 'text-delta' || part.type === 'reasoning-delta') text += part.text;
      if (part.type === 'error') seen.push(part.error);
    }
    assert.equal(text, received);
    assert.equal(await result.finishReason, 'error');
    assert.equal(seen.length, 2);
    for (const error of seen) {
      assert.ok(StreamProviderError.isInstance(error));
      assert.deepEqual({ code: error.code, message: error.message }, expected);
    }
    await assert.rejects(generateText(settings), {
      name: 'AI_APICallError',
      statusCode: expected.code === 'upstream_request_failed' ? 422 : 502,
      message: expected.message,
    });
    assert.equal(proxy.asked.length, 2);
  });
}
