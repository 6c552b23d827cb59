import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError, quoted } from '../src/errors.ts';
import { testGateway } from './helpers/gateway.ts';
import { plainAnswer } from './helpers/ollama-answers.ts';
import { fakeUpstream } from './helpers/upstream.ts';

suite('an error', () => {
  test('repeats at most 200 characters of a request', () => {
    assert.equal(quoted('short'), 'short');
    assert.equal(quoted('x'.repeat(1_000)), `${'x'.repeat(200)}…`);
    // Half of a surrogate pair is no text.
    assert.equal(quoted(`${'x'.repeat(199)}🪶🪶`), `${'x'.repeat(199)}\ufffd…`);
    const error = new GatewayError('invalid_value', 'x'.repeat(5_000), { param: 'y'.repeat(5_000) });
    assert.ok(error.message.length <= 1_001 && (error.param?.length ?? 0) <= 201);
  });

  test('is short whatever is long in its request, in every API', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { strict: true });
    const long = 'k'.repeat(300_000);
    const model = 'scripted-plain';
    const message = { role: 'user', content: 'hi' };
    const tool = { type: 'function', function: { name: 'f', parameters: {} } };
    const bodies: readonly (readonly [path: string, body: object])[] = [
      ['/v1/chat/completions', { model, messages: [message], [long]: 1 }],
      ['/v1/chat/completions', { model, messages: [{ ...message, role: long }] }],
      ['/v1/chat/completions', { model, messages: [{ ...message, content: [{ type: long }] }] }],
      ['/v1/chat/completions', { model, messages: [message], tools: [tool], tool_choice: { type: long } }],
      [
        '/v1/chat/completions',
        { model, messages: [message], tools: [tool], tool_choice: { type: 'function', function: { name: long } } },
      ],
      [
        '/v1/chat/completions',
        {
          model,
          messages: [message],
          response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { $ref: `#/${long}` } } },
        },
      ],
      ['/v1/completions', { model, prompt: 'hi', [long]: 1 }],
      ['/v1/embeddings', { model, input: 'hi', [long]: 1 }],
      ['/v1/responses', { model, input: [{ type: 'item_reference', id: long }] }],
      ['/v1/responses', { model, input: 'hi', previous_response_id: long }],
      ['/v1/responses', { model, input: 'hi', tools: [{ type: long }] }],
      ['/v1/messages', { model, max_tokens: 9, messages: [message], [long]: 1 }],
      ['/v1/messages', { model, max_tokens: 9, messages: [{ ...message, content: [{ type: long }] }] }],
      ['/api/chat', { model, messages: [message], stream: long, options: long, tools: long }],
    ];
    for (const [path, body] of bodies) {
      const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(body) });
      const text = await response.text();
      assert.ok(text.length < 2_000, `${path}: ${text.length} characters`);
      for (const [name, value] of response.headers) assert.ok(value.length < 2_000, name);
    }
  });
});
