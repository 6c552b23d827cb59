import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { secret, testGateway } from '../../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../../helpers/ollama-answers.ts';
import { fakeUpstream } from '../../helpers/upstream.ts';

const thinking = 'I should read the file. Größe: 3 €.';

/** Answers with thinking and a call, as a reasoning model between two calls of tools. */
const thoughtful = async (): ReturnType<typeof fakeUpstream> =>
  await fakeUpstream((res) => {
    const line = (message: object): string =>
      `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: '', ...message }, done: false })}\n`;
    const [first, second] = [thinking.slice(0, 9), thinking.slice(9)] as const;
    const call = { tool_calls: [{ function: { name: 'Read', arguments: { path: 'a' } } }] };
    ndjson(res).end(
      line({ thinking: first }) + line({ thinking: second }) + chatLine('Reading.') + line(call) + doneLine(),
    );
  });

const request = {
  model: 'm',
  max_tokens: 100,
  thinking: { type: 'adaptive', display: 'omitted' },
  tools: [{ name: 'Read', input_schema: { type: 'object' } }],
  messages: [{ role: 'user', content: 'hi' }],
} as const;

suite('thinking that Claude Code does not show', () => {
  for (const stream of [false, true]) {
    test(`goes back to the model with the result of its tool, ${stream ? 'streamed' : 'whole'}`, async () => {
      await using upstream = await thoughtful();
      await using gateway = await testGateway(upstream);
      const client = new Anthropic({ baseURL: gateway.url, authToken: secret, apiKey: null, maxRetries: 0 });
      const body = {
        ...request,
        messages: [...request.messages],
        tools: [...request.tools],
      } as unknown as Anthropic.MessageCreateParamsNonStreaming;
      const answer = stream ? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
      const [thought, text, call] = answer.content;
      assert.ok(thought?.type === 'thinking' && call?.type === 'tool_use');
      assert.deepEqual([thought.thinking, text], ['', { type: 'text', text: 'Reading.' }]);
      assert.ok(!JSON.stringify(answer).includes('I should'));
      const result = { type: 'tool_result', tool_use_id: call.id, content: 'b' };
      await client.messages.create({
        ...body,
        messages: [
          ...body.messages,
          { role: 'assistant', content: answer.content },
          { role: 'user', content: [result] },
        ],
      } as Anthropic.MessageCreateParamsNonStreaming);
      const { messages } = JSON.parse(upstream.requests.at(-1)?.body ?? '') as { messages: { thinking?: string }[] };
      assert.equal(messages[1]?.thinking, thinking);
    });
  }

  const hidden: [why: string, body: object, settings: Record<string, unknown>][] = [
    ['the client hides it altogether', { hide_thinking: true }, {}],
    ['a rule of the operator hides it', {}, { models: [{ match: '*', hide_thinking: true }] }],
  ];
  for (const [why, more, settings] of hidden) {
    test(`is in no signature if ${why}`, async () => {
      await using upstream = await thoughtful();
      await using gateway = await testGateway(upstream, settings);
      for (const stream of [false, true]) {
        const body = JSON.stringify({ ...request, ...more, stream });
        const text = await (await gateway.fetch('/v1/messages', { method: 'POST', body })).text();
        assert.match(text, /Reading\./);
        assert.doesNotMatch(text, /signature|"thinking"/);
      }
    });
  }

  test('is not read from a signature of another server', async () => {
    await using upstream = await thoughtful();
    await using gateway = await testGateway(upstream);
    for (const signature of ['EqQBCkYIBxgCIkD', 'bGxhbWFkdWN0', '', 7, null]) {
      const content = [
        { type: 'thinking', thinking: '', signature },
        { type: 'text', text: 'b' },
      ];
      const messages = [
        { role: 'user', content: 'a' },
        { role: 'assistant', content },
        { role: 'user', content: 'c' },
      ];
      const body = JSON.stringify({ ...request, messages });
      assert.equal((await gateway.fetch('/v1/messages', { method: 'POST', body })).status, 200);
      const sent = JSON.parse(upstream.requests.at(-1)?.body ?? '') as { messages: object[] };
      assert.deepEqual(sent.messages[1], { role: 'assistant', content: 'b' });
    }
  });
});
