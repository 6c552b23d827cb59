import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../../helpers/gateway.ts';
import { plainAnswer } from '../../helpers/ollama-answers.ts';
import { chunk, stream as answer, usageChunk } from '../../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../../helpers/upstream.ts';

const request = {
  model: 'm',
  max_tokens: 0,
  tools: [{ name: 'f', input_schema: { type: 'object' } }],
  tool_choice: { type: 'any' },
  output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
  messages: [{ role: 'user', content: 'hi' }],
};

suite('max_tokens: 0, with which clients warm the cache', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    test(`generates one token, and the answer is empty, over ${kind}`, async () => {
      await using upstream = await (kind === 'ollama'
        ? fakeUpstream(plainAnswer(['H']))
        : openaiUpstream(answer([chunk({ content: 'H' }, 'length'), usageChunk(7, 1)])));
      await using gateway = await testGateway(upstream, { upstream: { kind } });
      const response = await gateway.fetch('/v1/messages', { method: 'POST', body: JSON.stringify(request) });
      const message = (await response.json()) as {
        content: unknown;
        stop_reason: string;
        usage: { output_tokens: number };
      };
      assert.deepEqual([message.content, message.stop_reason, message.usage.output_tokens], [[], 'max_tokens', 0]);
      const sent = JSON.parse(upstream.requests.at(-1)?.body ?? '') as {
        options?: { num_predict: number };
        max_tokens?: number;
        format?: unknown;
        tools: unknown[];
      };
      assert.deepEqual(
        [sent.options?.num_predict ?? sent.max_tokens, sent.format, sent.tools.length],
        [1, undefined, 1],
      );
    });

    test(`streams an empty message over ${kind}`, async () => {
      await using upstream = await (kind === 'ollama'
        ? fakeUpstream(plainAnswer(['H']))
        : openaiUpstream(answer([chunk({ content: 'H' }, 'length'), usageChunk(7, 1)])));
      await using gateway = await testGateway(upstream, { upstream: { kind } });
      const body = JSON.stringify({ ...request, stream: true });
      const text = await (await gateway.fetch('/v1/messages', { method: 'POST', body })).text();
      const events = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
      assert.deepEqual(events, ['message_start', 'ping', 'message_delta', 'message_stop']);
      assert.match(text, /"stop_reason":"max_tokens"/);
    });
  }
});
