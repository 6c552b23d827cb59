import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { assertMatches } from '../conformance/openai-schema.ts';
import { json } from '../helpers/answers.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { noValkey, startValkey } from '../helpers/valkey.ts';
import { until } from '../helpers/wait.ts';

const keys = ['alice', 'bob'].map((name) => ({ name, hash: hashSecret(name) }));

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // Each test knows the form of what it asked for.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** Calls the API with alice's key, or with another one. */
function client(gateway: TestGateway, key = 'alice') {
  const call = async (method: string, path: string, body?: unknown): Promise<Reply> => {
    const response = await gateway.fetch(`/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  return {
    call,
    create: async (body: object = {}): Promise<string> => (await call('POST', '/conversations', body)).body.id,
    texts: async (id: string): Promise<string[]> => {
      const { body } = await call('GET', `/conversations/${id}/items?order=asc&limit=100`);
      return body.data.map((item: { content?: { text: string }[] }) => item.content?.[0]?.text ?? '');
    },
    respond: async (body: object): Promise<Reply> => {
      return await call('POST', '/responses', { model: 'scripted-plain', ...body });
    },
    stream: async (body: object): Promise<string> => {
      const response = await gateway.fetch('/v1/responses', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model: 'scripted-plain', stream: true, ...body }),
      });
      return await response.text();
    },
  };
}

/** @returns the messages of a request that reached the upstream, each as its role and text */
function sent(upstream: FakeUpstream, index = -1): string[] {
  const { messages } = JSON.parse(upstream.requests.at(index)?.body ?? '{}') as {
    messages: { role: string; content: string }[];
  };
  return messages.map(({ role, content }) => `${role}: ${content}`);
}

const user = (content: string): object => ({ role: 'user', content });

describe('/v1/conversations', () => {
  test('creates, reads, updates and deletes a conversation', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call } = client(gateway);
    const created = await call('POST', '/conversations', { metadata: { topic: 'a' }, items: [user('one')] });
    const { id } = created.body;
    assert.match(id, /^conv_[0-9a-f]{48}$/);
    assertMatches('ConversationResource', created.body);
    assert.deepEqual(created.body.metadata, { topic: 'a' });
    assert.deepEqual((await call('GET', `/conversations/${id}`)).body, created.body);
    const updated = await call('POST', `/conversations/${id}`, { metadata: { topic: 'b' } });
    assert.deepEqual(updated.body, { ...created.body, metadata: { topic: 'b' } });
    assert.deepEqual((await call('GET', `/conversations/${id}`)).body, updated.body);
    const deleted = await call('DELETE', `/conversations/${id}`);
    assertMatches('DeletedConversationResource', deleted.body);
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['DELETE', ''],
      ['GET', '/items'],
      ['GET', '/items/msg_1'],
      ['DELETE', '/items/msg_1'],
    ] as const) {
      const { status, body } = await call(method, `/conversations/${id}${path}`, method === 'POST' ? {} : undefined);
      assert.equal(status, 404, `${method} ${path}`);
      assertMatches('ErrorResponse', body);
      assert.equal(body.error.message, `Conversation with id '${id}' not found.`);
    }
    assert.equal((await call('POST', `/conversations/${id}/items`, { items: [user('two')] })).status, 404);
    assert.equal((await call('GET', '/conversations')).status, 405);
  });

  test('creates an empty one without a body', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call } = client(gateway);
    const created = await call('POST', '/conversations');
    assert.deepEqual(created.body.metadata, {});
    const list = (await call('GET', `/conversations/${created.body.id}/items`)).body;
    assert.deepEqual(list, { object: 'list', data: [], first_id: null, last_id: null, has_more: false });
  });

  test('adds, lists by pages, finds and deletes items', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create, texts } = client(gateway);
    const id = await create({ items: [user('one')] });
    const path = `/conversations/${id}/items`;
    const added = (
      await call('POST', `${path}?include[]=reasoning.encrypted_content`, {
        items: [
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'eins', annotations: [] }] },
          { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{}' },
          { type: 'function_call_output', call_id: 'call_1', output: 'done' },
          { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA' },
        ],
      })
    ).body;
    assertMatches('ConversationItemList', added);
    assert.deepEqual(
      added.data.map(({ type }: { type: string }) => type),
      ['message', 'function_call', 'function_call_output', 'reasoning'],
    );
    assert.equal(added.data[3].encrypted_content, 'gAAA');
    const all = (await call('GET', `${path}?order=asc`)).body;
    assertMatches('ConversationItemList', all);
    assert.equal(all.data.length, 5);
    const newest = (await call('GET', `${path}?limit=2`)).body;
    assert.deepEqual(newest.data, all.data.toReversed().slice(0, 2));
    assert.equal(newest.has_more, true);
    const next = (await call('GET', `${path}?limit=100&after=${newest.last_id}`)).body;
    assert.deepEqual([next.data, next.has_more], [all.data.toReversed().slice(2), false]);
    const [first] = all.data;
    assert.deepEqual((await call('GET', `${path}/${first.id}`)).body, first);
    assert.equal((await call('DELETE', `${path}/${first.id}`)).body.id, id);
    assert.equal((await call('DELETE', `${path}/${first.id}`)).status, 404);
    assert.equal((await call('GET', `${path}/${first.id}`)).status, 404);
    assert.deepEqual(await texts(id), ['eins', '', '', '']);
  });

  test('stores items of kinds that no model can be sent, and names them when they are left out', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create, respond } = client(gateway);
    const action = { type: 'open_page', url: 'https://example.com' };
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action };
    const id = await create({ items: [search, user('one')] });
    const { data } = (await call('GET', `/conversations/${id}/items?order=asc`)).body;
    assert.deepEqual(data[0], search);
    const { headers } = await respond({ conversation: id, input: 'two' });
    assert.match(headers.get('x-llamaduct-dropped') ?? '', /input\.web_search_call/);
    assert.deepEqual(sent(upstream), ['user: one', 'user: two']);
  });

  test('keeps ids unique, whatever ids clients send', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create } = client(gateway);
    const item = { ...user('one'), id: 'msg_1' };
    const id = await create({ items: [item, item, { ...item, id: '../x?y' }] });
    await Promise.all([1, 2].map(async () => await call('POST', `/conversations/${id}/items`, { items: [item] })));
    const { data } = (await call('GET', `/conversations/${id}/items`)).body;
    const ids = data.map((found: { id: string }) => found.id);
    assert.equal(new Set(ids).size, 5);
    for (const found of ids) assert.equal((await call('GET', `/conversations/${id}/items/${found}`)).status, 200);
  });

  test('refuses what it cannot take with the field at fault', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create } = client(gateway);
    const id = await create();
    const tooMany = Array.from({ length: 21 }, () => user('one'));
    for (const [path, body, param] of [
      ['', { items: tooMany }, 'items'],
      ['', { items: ['one'] }, 'items[0]'],
      ['', { items: [{ type: 'message', content: 'no role' }] }, 'items[0].role'],
      ['', { metadata: { key: 'x'.repeat(513) } }, 'metadata'],
      [`/${id}/items`, {}, 'items'],
      [`/${id}/items`, { items: tooMany }, 'items'],
      [`/${id}/items`, { items: [{ type: 'item_reference', id: 'msg_9' }] }, 'items[0].id'],
      [`/${id}/items?include[]=everything`, { items: [] }, 'include'],
      [`/${id}`, { metadata: Object.fromEntries(tooMany.map((_, index) => [index, 'x'])) }, 'metadata'],
    ] as const) {
      const reply = await call('POST', `/conversations${path}`, body);
      assert.ok(reply.status === 400 || reply.status === 404, `${path} ${JSON.stringify(reply.body)}`);
      assertMatches('ErrorResponse', reply.body);
      assert.equal(reply.body.error.param, param);
    }
    for (const query of ['limit=0', 'limit=101', 'order=up', 'after=msg_9', 'include=everything']) {
      assert.equal((await call('GET', `/conversations/${id}/items?${query}`)).status, 400, query);
    }
    const unknown = await call('POST', '/conversations', { items: [], mood: 'good' });
    assert.equal(unknown.headers.get('x-llamaduct-dropped'), 'mood');
  });

  test('keeps the metadata of a conversation when an update has none, or something else in their place', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create } = client(gateway);
    const id = await create({ metadata: { topic: 'a' } });
    for (const body of [undefined, {}, { metadata: 'x' }, { metadata: 5 }, { metadata: [] }, { metadata: true }]) {
      const { status, body: reply } = await call('POST', `/conversations/${id}`, body);
      assert.deepEqual([status, reply.error.param], [400, 'metadata'], JSON.stringify(body));
      assert.deepEqual((await call('GET', `/conversations/${id}`)).body.metadata, { topic: 'a' });
    }
    assert.equal((await call('POST', '/conversations', { metadata: 'x' })).status, 400);
    assert.deepEqual((await call('POST', `/conversations/${id}`, { metadata: null })).body.metadata, {});
  });

  test('takes metadata of 64 and 512 characters that are emoji, and no more', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call } = client(gateway);
    const metadata = { ['😀'.repeat(64)]: '😀'.repeat(512) };
    assert.deepEqual((await call('POST', '/conversations', { metadata })).body.metadata, metadata);
    for (const tooLong of [{ a: '😀'.repeat(513) }, { ['😀'.repeat(65)]: 'a' }]) {
      assert.equal((await call('POST', '/conversations', { metadata: tooLong })).status, 400);
    }
  });

  test('refuses unknown fields in strict mode', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys, strict: true });
    const { status, body } = await client(gateway).call('POST', '/conversations', { mood: 'good' });
    assert.deepEqual([status, body.error.param], [400, 'mood']);
  });

  test('are not found with another key', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const id = await client(gateway).create({ items: [{ ...user('one'), id: 'msg_1' }] });
    const bob = client(gateway, 'bob');
    for (const [method, path] of [
      ['GET', ''],
      ['POST', ''],
      ['DELETE', ''],
      ['GET', '/items'],
      ['GET', '/items/msg_1'],
      ['DELETE', '/items/msg_1'],
    ] as const) {
      const { status } = await bob.call(method, `/conversations/${id}${path}`, method === 'POST' ? {} : undefined);
      assert.equal(status, 404, `${method} ${path}`);
    }
    assert.equal((await bob.call('POST', `/conversations/${id}/items`, { items: [user('x')] })).status, 404);
    const turn = await bob.respond({ conversation: id, input: 'two' });
    assert.deepEqual([turn.status, turn.body.error.param], [404, 'conversation']);
    assert.equal(upstream.requests.length, 0);
    assert.deepEqual(await client(gateway).texts(id), ['one']);
  });

  test('are refused, not lost, when they have more than can be stored', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys, responses: { bytes: '64KiB' } });
    const { call, create, texts, respond } = client(gateway);
    const long = 'x'.repeat(20_000);
    assert.equal((await call('POST', '/conversations', { items: [user(long), user(long)] })).status, 400);
    const id = await create({ items: [user(long)] });
    assert.equal((await call('POST', `/conversations/${id}/items`, { items: [user(long)] })).status, 400);
    const turn = await respond({ conversation: id, input: long });
    assert.deepEqual([turn.status, turn.body.error?.param], [400, 'conversation']);
    assert.deepEqual(await texts(id), [long]);
  });

  test('are still stored after metadata updates have filled the store', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys, responses: { bytes: '64KiB' } });
    const { call, create } = client(gateway);
    await client(gateway, 'bob').create({ items: [user('x'.repeat(2_000))] });
    const id = await create();
    const metadata = { a: 'x'.repeat(500) };
    let updated: Reply;
    do updated = await call('POST', `/conversations/${id}`, { metadata });
    while (updated.status === 200);
    assert.deepEqual([updated.status, updated.body.error.param], [400, 'metadata']);
    assert.deepEqual((await call('GET', `/conversations/${id}`)).body.metadata, metadata);
  });

  test('are refused when nothing is stored at all', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys, responses: { entries: 0 } });
    assert.equal((await client(gateway).call('POST', '/conversations', {})).status, 400);
  });
});

describe('conversation in /v1/responses', () => {
  for (const stream of [false, true]) {
    test(`appends input and output, ${stream ? 'streamed' : 'whole'}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { keys });
      const { create, respond, stream: streamed, texts } = client(gateway);
      const id = await create({ items: [user('one')] });
      for (const [conversation, input] of [
        [id, 'two'],
        [{ id }, 'three'],
      ]) {
        const body = { conversation, input, store: input === 'two' };
        if (!stream) {
          const reply = await respond(body);
          assertMatches('Response', reply.body);
          assert.deepEqual(reply.body.conversation, { id });
        } else {
          const events = await streamed(body);
          assert.match(events, /event: response\.completed\n/);
          assert.ok(events.includes(`"conversation":{"id":"${id}"}`));
        }
      }
      assert.deepEqual(sent(upstream), ['user: one', 'user: two', 'assistant: Hello there!', 'user: three']);
      assert.deepEqual(await texts(id), ['one', 'two', 'Hello there!', 'three', 'Hello there!']);
    });
  }

  test('finds its items by reference, and its output by id', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create, respond } = client(gateway);
    const id = await create({ items: [{ ...user('one'), id: 'msg_mine' }] });
    const reply = await respond({ conversation: id, input: [{ type: 'item_reference', id: 'msg_mine' }] });
    assert.equal(reply.status, 200);
    const [message] = reply.body.output;
    assert.deepEqual((await call('GET', `/conversations/${id}/items/${message.id}`)).body, message);
    const items = (await call('GET', `/responses/${reply.body.id}/input_items`)).body;
    assert.equal(items.data.length, 1);
  });

  test('is loaded for a request that continues one of its responses', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { create, respond } = client(gateway);
    const id = await create({ items: [user('one')] });
    const second = (await respond({ conversation: id, input: 'two' })).body;
    await respond({ conversation: id, input: 'three' });
    await respond({ previous_response_id: second.id, input: 'other' });
    assert.deepEqual(sent(upstream), ['user: one', 'user: two', 'assistant: Hello there!', 'user: other']);
  });

  test('counts its tokens without a change', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create, texts } = client(gateway);
    const id = await create({ items: [user('one')] });
    const body = { model: 'scripted-plain', conversation: id, input: 'two' };
    assert.equal((await call('POST', '/responses/input_tokens', body)).body.object, 'response.input_tokens');
    assert.deepEqual(sent(upstream), ['user: one', 'user: two']);
    assert.deepEqual(await texts(id), ['one']);
  });

  test('goes on from its last summary', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { create, respond } = client(gateway);
    const id = await create({ items: [user('one')] });
    await respond({ conversation: id, input: [{ type: 'compaction_trigger' }] });
    await respond({ conversation: id, input: 'two' });
    assert.deepEqual(sent(upstream), ['user: Summary of the conversation so far:\n\nHello there!', 'user: two']);
  });

  test('excludes previous_response_id', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { create, respond } = client(gateway);
    const body = { conversation: await create(), previous_response_id: 'resp_1', input: 'x' };
    const reply = await respond(body);
    assert.equal(reply.status, 400);
    assert.equal(reply.body.error.code, 'mutually_exclusive_parameters');
    for (const conversation of ['c1', { id: 'c1' }, {}, 7]) {
      assert.equal((await respond({ conversation, input: 'x' })).status, 400, JSON.stringify(conversation));
    }
    assert.equal((await respond({ conversation: null, input: 'x' })).body.conversation, undefined);
  });

  test('concurrent turns lose nothing', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const { call, create, respond, stream, texts } = client(gateway);
    const id = await create();
    const inputs = Array.from({ length: 8 }, (_, index) => `turn ${index}`);
    await Promise.all([
      ...inputs.map(async (input, index) => await (index % 2 === 0 ? respond : stream)({ conversation: id, input })),
      call('POST', `/conversations/${id}/items`, { items: [user('added')] }),
    ]);
    const found = await texts(id);
    assert.equal(found.length, 17);
    for (const input of inputs) assert.equal(found[found.indexOf(input) + 1], 'Hello there!', input);
  });

  test('a turn that fails or is cancelled appends nothing', async () => {
    const cutOff: Answer = (res) => {
      ndjson(res).write(chatLine('Hel'), () => res.destroy());
    };
    for (const [answer, stream] of [
      [json(500, { error: 'it failed' }), false],
      [json(500, { error: 'it failed' }), true],
      [cutOff, false],
      [cutOff, true],
    ] as const) {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream, { keys });
      const { create, respond, stream: streamed, texts } = client(gateway);
      const id = await create({ items: [user('one')] });
      await (stream ? streamed : respond)({ conversation: id, input: 'two' });
      assert.deepEqual(await texts(id), ['one']);
    }
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hel')));
    await using gateway = await testGateway(upstream, { keys });
    const { create, texts } = client(gateway);
    const id = await create({ items: [user('one')] });
    const left = new AbortController();
    const response = await gateway.fetch('/v1/responses', {
      method: 'POST',
      headers: { authorization: 'Bearer alice' },
      body: JSON.stringify({ model: 'scripted-plain', stream: true, conversation: id, input: 'two' }),
      signal: left.signal,
    });
    await response.body?.getReader().read();
    left.abort();
    await until('the end of the upstream request', () => upstream.open === 0);
    assert.deepEqual(await texts(id), ['one']);
  });

  for (const stream of [false, true]) {
    test(`fails when it was deleted during the turn, ${stream ? 'streamed' : 'whole'}`, async () => {
      const { promise: deleted, resolve } = Promise.withResolvers<void>();
      await using upstream = await fakeUpstream(async (res) => {
        ndjson(res).write(chatLine('Hello'));
        await deleted;
        res.end(doneLine());
      });
      await using gateway = await testGateway(upstream, { keys });
      const { call, create, respond, stream: streamed } = client(gateway);
      const id = await create();
      const body = { conversation: id, input: 'one' };
      const turn: Promise<Reply | string> = stream ? streamed(body) : respond(body);
      await until('the turn', () => upstream.open === 1);
      await call('DELETE', `/conversations/${id}`);
      resolve();
      const reply = await turn;
      if (typeof reply === 'string') {
        assert.match(reply, /event: response\.failed\n/);
        assert.doesNotMatch(reply, /response\.completed/);
      } else assert.equal(reply.status, 404);
    });
  }
});

describe('conversations in Valkey', { skip: noValkey }, () => {
  test('are shared by two instances, whose concurrent turns lose nothing', async () => {
    await using valkey = await startValkey();
    await using upstream = await fakeUpstream(plainAnswer());
    const settings = { keys, valkey: { url: valkey.url } };
    await using one = await testGateway(upstream, settings);
    await using other = await testGateway(upstream, settings);
    const id = await client(one).create({ metadata: { a: 'b' } });
    await Promise.all(
      [one, other, one, other].map(async (gateway, index) => {
        await client(gateway).respond({ conversation: id, input: `turn ${index}` });
      }),
    );
    assert.equal((await client(other).texts(id)).length, 8);
    assert.deepEqual(await client(one).texts(id), await client(other).texts(id));
    assert.deepEqual((await client(other).call('GET', `/conversations/${id}`)).body.metadata, { a: 'b' });
    assert.equal((await client(other).call('DELETE', `/conversations/${id}`)).status, 200);
    assert.equal((await client(one).call('GET', `/conversations/${id}`)).status, 404);
  });

  for (const stream of [false, true]) {
    test(`a turn fails when the server is lost during it, ${stream ? 'streamed' : 'whole'}`, async () => {
      await using valkey = await startValkey();
      const { promise: lost, resolve } = Promise.withResolvers<void>();
      await using upstream = await fakeUpstream(async (res) => {
        ndjson(res).write(chatLine('Hello'));
        await lost;
        res.end(doneLine());
      });
      await using gateway = await testGateway(upstream, { keys, valkey: { url: valkey.url } });
      const { create, respond, stream: streamed } = client(gateway);
      const id = await create();
      const body = { conversation: id, input: 'one' };
      const turn: Promise<Reply | string> = stream ? streamed(body) : respond(body);
      await until('the turn', () => upstream.open === 1);
      await valkey.kill();
      resolve();
      const reply = await turn;
      if (typeof reply === 'string') assert.match(reply, /event: response\.failed\n/);
      else assert.deepEqual([reply.status, reply.body.error.code], [503, 'store_unavailable']);
    });
  }
});
