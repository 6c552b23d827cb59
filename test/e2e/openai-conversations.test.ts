import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadRequestError, NotFoundError, OpenAI } from 'openai';
import type { ResponseInputItem } from 'openai/resources/responses/responses';
import { secret } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';

const model = 'scripted-plain';

function connect({ gateway }: Proxied): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
}

test('conversations are created, updated, read and deleted', async () => {
  await using proxy = await proxied(plainAnswer());
  const { conversations } = connect(proxy);
  const empty = await conversations.create();
  assert.deepEqual(empty.metadata, {});
  const { id } = await conversations.create({ metadata: { topic: 'a' }, items: [{ role: 'user', content: 'one' }] });
  assert.deepEqual((await conversations.update(id, { metadata: { topic: 'b' } })).metadata, { topic: 'b' });
  assert.deepEqual((await conversations.retrieve(id)).metadata, { topic: 'b' });
  assert.deepEqual({ ...(await conversations.delete(id)) }, { id, object: 'conversation.deleted', deleted: true });
  await assert.rejects(conversations.retrieve(id), NotFoundError);
});

test('items are added, iterated over all pages, read and deleted', async () => {
  await using proxy = await proxied(plainAnswer());
  const { conversations } = connect(proxy);
  const { id } = await conversations.create();
  const texts = Array.from({ length: 45 }, (_, index) => `message ${index}`);
  for (const start of [0, 20, 40]) {
    const items = texts.slice(start, start + 20).map((content) => ({ role: 'user' as const, content }));
    const added = await conversations.items.create(id, { items });
    assert.equal(added.data.length, items.length);
  }
  const found: string[] = [];
  for await (const item of conversations.items.list(id, { order: 'asc' })) {
    const [part] = item.type === 'message' ? item.content : [];
    if (part?.type === 'input_text') found.push(part.text);
  }
  assert.deepEqual(found, texts);
  const { data } = await conversations.items.list(id, { limit: 1, include: ['message.output_text.logprobs'] });
  const last = data[0]?.id ?? '';
  assert.equal((await conversations.items.retrieve(last, { conversation_id: id })).id, last);
  assert.equal((await conversations.items.delete(last, { conversation_id: id })).id, id);
  await assert.rejects(conversations.items.retrieve(last, { conversation_id: id }), NotFoundError);
});

test('a response continues a conversation and is added to it, streamed and not streamed', async () => {
  await using proxy = await proxied(plainAnswer());
  const client = connect(proxy);
  const { id } = await client.conversations.create({ items: [{ role: 'user', content: 'one' }] });
  const response = await client.responses.create({ model, conversation: id, input: 'two' });
  assert.equal(response.conversation?.id, id);
  const streamed = await client.responses.stream({ model, conversation: { id }, input: 'three' }).finalResponse();
  assert.equal(streamed.conversation?.id, id);
  const list = await client.conversations.items.list(id, { order: 'asc' });
  assert.deepEqual(
    list.data.map((item) => (item.type === 'message' ? item.role : item.type)),
    ['user', 'user', 'assistant', 'user', 'assistant'],
  );
  const both = { model, conversation: id, previous_response_id: response.id, input: 'four' };
  await assert.rejects(client.responses.create(both), BadRequestError);
});

test('responses are compacted, and their tokens counted', async () => {
  await using proxy = await proxied(plainAnswer());
  const { responses } = connect(proxy);
  const input = [{ role: 'user' as const, content: 'one' }];
  const compacted = await responses.compact({ model, input });
  assert.equal(compacted.object, 'response.compaction');
  // The SDK's type of an output is wider than that of an input.
  const summary = compacted.output as ResponseInputItem[];
  const { output } = await responses.create({ model, input: [...summary, { role: 'user', content: 'two' }] });
  assert.equal(output[0]?.type, 'message');
  const count = await responses.inputTokens.count({ model, input: 'one' });
  assert.equal(count.object, 'response.input_tokens');
  assert.ok(count.input_tokens > 0);
});
