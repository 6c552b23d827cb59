import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Accumulator } from '../../../src/chat/accumulator.ts';
import type { ChatEvent } from '../../../src/chat/event.ts';
import type { AnswerHead, GenerationCall } from '../../../src/chat/protocol.ts';
import type { ChatRequest } from '../../../src/chat/request.ts';
import type { TotalUsage } from '../../../src/chat/stream.ts';
import { compactResponses, countResponseTokens, responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';

const head: AnswerHead = { id: 'resp_1', created: 1, model: 'm', arrivedAt: 1000, now: () => 2000 };
const total: TotalUsage = { usage: { inputTokens: 4, outputTokens: 3 }, timings: {} };
const store = new MemoryTextStore({ entries: 10, bytes: 1e6, ttl: 60_000 });
const conversation = [
  { role: 'user', content: 'My name is Ada.' },
  { role: 'assistant', content: 'Hello Ada.' },
];
const answer: ChatEvent[] = [
  { type: 'reasoning', text: 'Hm.' },
  { type: 'text', text: 'The user ' },
  { type: 'text', text: 'is Ada.' },
  { type: 'finish', reason: 'stop', ...total },
];

async function read(body: object, protocol = responses(store)): Promise<GenerationCall> {
  return await protocol.read({ model: 'm', ...body }, 'tester');
}

function requestOf({ requests: [request] }: GenerationCall): ChatRequest {
  return request.kind === 'chat' ? request : assert.fail('not a chat');
}

function respond(call: GenerationCall): Record<string, unknown> {
  const accumulator = new Accumulator();
  for (const event of answer) accumulator.add(event);
  assert.ok(accumulator.result);
  return call.respond([accumulator.result], total, head) as Record<string, unknown>;
}

const summary = { type: 'compaction', id: 'cmp_1_0', encrypted_content: 'llamaduct-summary:The user is Ada.' };

suite('a conversation that a client compacts', () => {
  const tools = [{ type: 'function', name: 'f' }];
  const body = {
    input: [...conversation, { type: 'compaction_trigger' }],
    tools,
    text: { format: { type: 'json_object' } },
  };

  test('is summarized by the model, without tools and without a format', async () => {
    const request = requestOf(await read(body));
    assert.equal(request.messages.length, 3);
    assert.match(request.messages.at(-1)?.text ?? '', /^Summarize this conversation/);
    assert.deepEqual([request.tools, request.format], [undefined, undefined]);
  });

  test('is answered with one item, streamed or not', async () => {
    assert.deepEqual(respond(await read(body))['output'], [summary]);
    const encoder = (await read({ ...body, stream: true })).encoder(head);
    const text = answer.map((event) => encoder.write(event, 0)).join('') + encoder.end(total);
    const done = text.split('\n\n').filter((frame) => frame.startsWith('event: response.output_item.done\n'));
    assert.equal(done.length, 1);
    assert.deepEqual((JSON.parse(done[0]?.split('data: ')[1] ?? '') as { item: unknown }).item, summary);
    assert.doesNotMatch(text, /output_text\.delta/);
    assert.match(text, /event: response\.completed\n/);
  });

  test('goes on with the summary in place of what was said', async () => {
    const { messages } = requestOf(await read({ input: [summary, { role: 'user', content: 'Who am I?' }] }));
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['Summary of the conversation so far:\n\nThe user is Ada.', 'Who am I?'],
    );
  });

  for (const type of ['compaction_summary', 'context_compaction']) {
    test(`is read back from an item of the type ${type}`, async () => {
      const call = await read({
        input: [
          { ...summary, type },
          { role: 'user', content: 'Who am I?' },
        ],
      });
      assert.match(requestOf(call).messages[0]?.text ?? '', /The user is Ada\.$/);
    });
  }

  test('goes on without a summary that OpenAI has encrypted, and says so', async () => {
    const input = [
      { ...summary, encrypted_content: 'gAAAA' },
      { role: 'user', content: 'Who am I?' },
    ];
    const call = await read({ input });
    const texts = requestOf(call).messages.map(({ text }) => text);
    assert.match(texts[0] ?? '', /is encrypted, so it is left out/);
    assert.deepEqual(texts.slice(1), ['Who am I?']);
    assert.deepEqual(call.dropped, ['input.compaction']);
  });

  test('is compacted by an endpoint of its own', async () => {
    const call = await read({ input: conversation }, compactResponses(store));
    assert.match(requestOf(call).messages.at(-1)?.text ?? '', /^Summarize this conversation/);
    const { output, object } = respond(call);
    assert.deepEqual([object, output], ['response.compaction', [summary]]);
  });
});

test('/v1/responses/input_tokens counts the prompt with its tools', async () => {
  const call = await read(
    { input: conversation, tools: [{ type: 'function', name: 'f' }] },
    countResponseTokens(store),
  );
  assert.deepEqual([call.countsOnly, requestOf(call).tools?.length], [true, 1]);
  assert.deepEqual(respond(call), { object: 'response.input_tokens', input_tokens: 4 });
});
