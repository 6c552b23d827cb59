import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../../src/errors.ts';
import { anthropicErrors } from '../../../src/protocols/anthropic/error.ts';
import { statusError as ollamaError } from '../../../src/upstreams/ollama/error.ts';
import { statusError } from '../../../src/upstreams/openai/error.ts';
import { testGateway } from '../../helpers/gateway.ts';
import { json } from '../../helpers/answers.ts';
import { fakeUpstream } from '../../helpers/upstream.ts';

/** What Claude Code 2.1.332 searches errors for. */
const words = {
  prompt: /prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)/,
  context: /input length and `max_tokens` exceed context limit: (\d+) \+ (\d+) > (\d+)/,
  output: /^max_tokens: \d+ > (\d+), which is the maximum allowed number of output tokens for .+$/,
  image: /could not process image/i,
  path: /messages[.[](\d+)[\].]+content[.[](\d+)[\].]+(?:tool_result[.[]content[.[](\d+)[\].]+)?(image|document|pdf)/,
};

function rendered(error: GatewayError): { status: number; type: string; message: string } {
  const body = anthropicErrors.body(error) as { error: { type: string; message: string } };
  return { status: anthropicErrors.status?.(error) ?? error.status, ...body.error };
}

function fromServer(message: string, status = 400): ReturnType<typeof rendered> {
  return rendered(statusError(status, JSON.stringify({ error: { message } })));
}

suite('errors in the words that Claude Code recognizes', () => {
  const limits: [server: string, text: string][] = [
    [
      'OpenAI',
      'max_tokens is too large: 32000. This model supports at most 8192 completion tokens, whereas you provided 32000.',
    ],
    ['Anthropic', 'max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for some-model'],
  ];
  for (const [server, text] of limits) {
    test(`it lowers max_tokens to the limit that a server in the manner of ${server} names`, () => {
      const { status, type, message } = fromServer(text);
      assert.deepEqual([status, type], [400, 'invalid_request_error']);
      assert.equal(words.output.exec(message)?.[1], '8192', message);
    });
  }

  const silent: [server: string, text: string][] = [
    ['DeepSeek', 'Invalid max_tokens value, the valid range of max_tokens is [1, 8192]'],
    ['Alibaba', '<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]'],
    [
      'Groq',
      '`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model',
    ],
  ];
  for (const [server, text] of silent) {
    test(`it lowers max_tokens although a server in the manner of ${server} does not repeat it`, async () => {
      await using upstream = await fakeUpstream(json(400, { error: text }));
      await using gateway = await testGateway(upstream);
      const body = JSON.stringify({ model: 'm', max_tokens: 32_000, messages: [{ role: 'user', content: 'hi' }] });
      const response = await gateway.fetch('/v1/messages', { method: 'POST', body });
      const { error } = (await response.json()) as { error: { type: string; message: string } };
      assert.equal(
        error.message,
        'max_tokens: 32000 > 8192, which is the maximum allowed number of output tokens for this model',
      );
    });
  }

  test('it shortens the conversation only if the prompt is too long', () => {
    const long = "This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens.";
    assert.deepEqual(words.prompt.exec(fromServer(long).message)?.slice(1), ['40000', '32768']);
    const answer =
      "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens and your request has 18432 input tokens (32000 > 32768 - 18432).";
    assert.deepEqual(words.context.exec(fromServer(answer).message)?.slice(1), ['18432', '32000', '32768']);
  });

  const images: [why: string, image: object, path: string][] = [
    ['has no valid data', { type: 'base64', media_type: 'image/png', data: '!!!' }, 'source.base64.data'],
    ['is no image', { type: 'base64', media_type: 'image/png', data: 'aGVsbG8gd29ybGQ=' }, 'source.base64.data'],
    ['is empty', { type: 'base64', media_type: 'image/png', data: '' }, 'source.base64.data'],
    ['is at an address', { type: 'url', url: 'https://example.com/a.png' }, 'source.url.url'],
    ['was uploaded', { type: 'file', file_id: 'file_1' }, 'source.base64.data'],
  ];
  for (const [why, source, path] of images) {
    test(`it removes an image that ${why}, because the error contains its path`, async () => {
      await using upstream = await fakeUpstream(json(500, { error: 'not asked' }));
      await using gateway = await testGateway(upstream);
      const content = [
        { type: 'text', text: 'look' },
        { type: 'image', source },
      ];
      const messages = [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content },
      ];
      const body = JSON.stringify({ model: 'm', max_tokens: 9, messages });
      const response = await gateway.fetch('/v1/messages', { method: 'POST', body });
      const { error } = (await response.json()) as { error: { type: string; message: string } };
      assert.deepEqual([response.status, error.type], [400, 'invalid_request_error']);
      assert.ok(error.message.startsWith(`messages.2.content.1.image.${path}: `), error.message);
      assert.match(error.message, words.image);
      assert.deepEqual(words.path.exec(error.message)?.slice(1), ['2', '1', undefined, 'image']);
    });
  }

  test('it removes images that the server cannot read', () => {
    const errors = [
      ollamaError(500, '{"error":"Failed to load image or audio file"}'),
      ollamaError(400, '{"error":"image: unknown format"}'),
      statusError(400, '{"error":{"message":"cannot identify image file <_io.BytesIO object>"}}'),
    ];
    for (const error of errors) {
      const { status, type, message } = rendered(error);
      assert.deepEqual([status, type], [400, 'invalid_request_error'], message);
      assert.match(message, words.image);
    }
  });

  test('other errors do not look like these', () => {
    const others = [
      new GatewayError('invalid_value', 'tools[0].name is required.', { param: 'tools[0].name' }),
      new GatewayError('model_not_found', "model 'x' not found", { param: 'model' }),
      new GatewayError('invalid_value', 'This model does not take audio.', {
        param: 'messages[0].content[0].source.data',
      }),
      statusError(400, '{"error":{"message":"Failed to load model: image generation is not built in"}}'),
    ];
    for (const error of others) {
      const { message } = rendered(error);
      for (const [name, word] of Object.entries(words)) assert.doesNotMatch(message, word, name);
    }
  });
});
