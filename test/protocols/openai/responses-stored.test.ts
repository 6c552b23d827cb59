import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { AnswerHead, TextStore, ResourceProtocol } from '../../../src/chat/protocol.ts';
import type { ChatRequest } from '../../../src/chat/request.ts';
import type { ChatResult } from '../../../src/chat/accumulator.ts';
import { responseResources, responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';
import { assertMatches } from '../../conformance/openai-schema.ts';

const result: ChatResult = {
  text: '',
  reasoning: '',
  toolCalls: [],
  logprobs: [],
  finishReason: 'stop',
  usage: { inputTokens: 1, outputTokens: 1 },
  timings: {},
};

const noBody = { item: '', body: () => ({}), report: () => undefined };

/** A server whose responses have the ids resp_1, resp_2, and so on. */
function server(store: TextStore = new MemoryTextStore({ entries: 5_000, bytes: 1e9, ttl: 60_000 })) {
  const protocol = responses(store);
  const resources = responseResources(store);
  let count = 0;
  return {
    /** Sends a request, and stores `answer` as its response. @returns the request to the model */
    send: async (body: object, answer: Partial<ChatResult> = {}, owner = 'tester'): Promise<ChatRequest> => {
      const call = await protocol.read({ model: 'm', ...body }, owner);
      count += 1;
      const head: AnswerHead = { id: `resp_${count}`, created: 1, model: 'm', arrivedAt: 1_000, now: () => 1_000 };
      call.respond([{ ...result, ...answer }], result, head);
      const [request] = call.requests;
      assert.ok(request.kind === 'chat');
      return request;
    },
    resource: async (
      method: ResourceProtocol['method'],
      path: string,
      query = '',
      owner = 'tester',
    ): Promise<unknown> => {
      const [, id = '', rest = ''] = /^([^/]+)(.*)$/.exec(path) ?? [];
      const found = resources.find(
        (endpoint) => endpoint.method === method && endpoint.path === `/v1/responses/:id${rest}`,
      );
      return await found?.answer({ ...noBody, id, query: new URLSearchParams(query), owner });
    },
  };
}

const user = (text: string): object => ({ role: 'user', text, images: [] });
const assistant = (text: string, rest: object = {}): object => ({
  role: 'assistant',
  text,
  reasoning: '',
  toolCalls: [],
  ...rest,
});
const notFound = { code: 'previous_response_not_found', status: 400, param: 'previous_response_id' };

suite('previous_response_id', () => {
  test('loads all earlier messages without their instructions', async () => {
    const { send } = server();
    await send({ input: 'one', instructions: 'Be kind.' }, { text: 'eins', reasoning: 'Hm.' });
    const call = { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{"a":9007199254740993}' } as const;
    await send({ input: 'two', previous_response_id: 'resp_1' }, { text: 'zwei', toolCalls: [call] });
    const { messages } = await send({
      input: [{ type: 'function_call_output', call_id: 'call_1', output: 'drei' }],
      instructions: 'Be brief.',
      previous_response_id: 'resp_2',
    });
    assert.equal(
      JSON.stringify(messages),
      JSON.stringify([
        { role: 'system', text: 'Be brief.' },
        user('one'),
        assistant('eins', { reasoning: 'Hm.' }),
        user('two'),
        assistant('zwei', { toolCalls: [{ id: 'call_1', name: 'f', arguments: { a: 'N' } }] }),
        { role: 'tool', text: 'drei', callId: 'call_1', name: 'f' },
      ]).replace('"N"', '9007199254740993'),
    );
  });

  test('needs no new input', async () => {
    const { send } = server();
    await send({ input: 'one' }, { text: 'eins' });
    assert.deepEqual((await send({ previous_response_id: 'resp_1' })).messages, [user('one'), assistant('eins')]);
  });

  test("is not found for another owner, even with the owner's name in the id", async () => {
    const { send } = server();
    await send({ input: 'one' }, {}, 'alice');
    await assert.rejects(send({ input: 'two', previous_response_id: 'resp_1' }, {}, 'bob'), notFound);
    await assert.rejects(send({ input: 'two', previous_response_id: 'alice:resp_1' }, {}, ''), notFound);
    await send({ input: 'two', previous_response_id: 'resp_1' }, {}, 'alice');
  });

  test('is not found after store: false, or when an earlier response was deleted', async () => {
    const { send, resource } = server();
    await send({ input: 'one', store: false });
    await assert.rejects(send({ input: 'two', previous_response_id: 'resp_1' }), notFound);
    await send({ input: 'one' });
    await send({ input: 'two', previous_response_id: 'resp_2' });
    assert.deepEqual(await resource('DELETE', 'resp_2'), { id: 'resp_2', object: 'response', deleted: true });
    await assert.rejects(send({ input: 'three', previous_response_id: 'resp_3' }), notFound);
  });

  test('renews all responses of a conversation that continues', async () => {
    const { send } = server(new MemoryTextStore({ entries: 3, bytes: 1e6, ttl: 60_000 }));
    await send({ input: 'one' });
    await send({ input: 'two', previous_response_id: 'resp_1' });
    await send({ input: 'another' });
    await send({ input: 'three', previous_response_id: 'resp_2' });
    // resp_3 was evicted.
    const { messages } = await send({ input: 'four', previous_response_id: 'resp_4', store: false });
    assert.deepEqual(
      messages.filter(({ role }) => role === 'user').map(({ text }) => text),
      ['one', 'two', 'three', 'four'],
    );
    await assert.rejects(send({ previous_response_id: 'resp_3' }), notFound);
  });

  test('is refused for a chain of more than 1000 responses, and for a circle', async () => {
    for (const next of [(id: number) => id + 1, () => 1]) {
      let reads = 0;
      const { send } = server({
        async get(_owner, key) {
          reads += 1;
          const id = Number(/\d+$/.exec(key)?.[0]);
          return JSON.stringify({ response: { output: [], previous_response_id: `resp_${next(id)}` }, input: [] });
        },
        put: async () => undefined,
        delete: async () => false,
        append: async () => 'absent',
      });
      await assert.rejects(send({ input: 'a', previous_response_id: 'resp_1' }), { param: 'previous_response_id' });
      assert.ok(reads > 0 && reads <= 1_000, String(reads));
    }
  });

  test('fails when the store fails, but storing a response never fails an answer', async () => {
    const gone: TextStore = {
      get: async () => await Promise.reject(new Error('gone')),
      put: async () => await Promise.reject(new Error('gone')),
      delete: async () => await Promise.reject(new Error('gone')),
      append: async () => await Promise.reject(new Error('gone')),
    };
    const { send } = server(gone);
    await send({ input: 'one' });
    await assert.rejects(send({ input: 'two', previous_response_id: 'resp_1' }), { message: 'gone' });
  });
});

suite('item_reference', () => {
  const reference = (id: string): object => ({ type: 'item_reference', id });

  test('finds single items of earlier outputs and inputs', async () => {
    const { send } = server();
    await send({ input: 'one' }, { text: 'eins', reasoning: 'Hm.' });
    const { messages } = await send({
      input: ['msg_1_i0', 'rs_1_0', 'msg_1_1'].map(reference).concat({ role: 'user', content: 'two' }),
    });
    assert.deepEqual(messages, [user('one'), assistant('eins', { reasoning: 'Hm.' }), user('two')]);
  });

  test("finds an item of the continued conversation by the client's own id", async () => {
    const { send } = server();
    await send({ input: [{ type: 'message', id: 'mine', role: 'user', content: 'one' }] });
    const { messages } = await send({ input: [reference('mine')], previous_response_id: 'resp_1' });
    assert.deepEqual(messages, [user('one'), assistant(''), user('one')]);
  });

  test('is a 404 for another owner, another index, another type or an invalid id', async () => {
    const { send } = server();
    await send({ input: 'one' }, { text: 'eins' }, 'alice');
    const missing = { code: 'not_found', status: 404, param: 'input[0].id' };
    await assert.rejects(send({ input: [reference('msg_1_0')] }, {}, 'bob'), missing);
    for (const id of ['msg_1_1', 'fc_1_0', 'msg_1_i1', 'msg_1_', '__proto__', 'x'.repeat(10_000)]) {
      await assert.rejects(send({ input: [reference(id)] }, {}, 'alice'), missing);
    }
  });

  test('is refused when the same large item is referred to too often', async () => {
    const { send } = server();
    await send({ input: 'x'.repeat(1_000_000) });
    const input = Array.from({ length: 40 }, () => reference('msg_1_i0'));
    await assert.rejects(send({ input }), { code: 'invalid_value' });
  });
});

suite('a stored response', () => {
  test('is returned by GET', async () => {
    const { send, resource } = server();
    await send({ input: 'one', metadata: { a: 'b' } }, { text: 'eins', finishReason: 'length' });
    const response = await resource('GET', 'resp_1');
    assertMatches('Response', response);
    assert.partialDeepStrictEqual(response, { id: 'resp_1', status: 'incomplete', metadata: { a: 'b' } });
  });

  for (const [method, path] of [
    ['GET', 'resp_9'],
    ['GET', 'resp_9/input_items'],
    ['DELETE', 'resp_9'],
    ['GET', 'other:resp_1'],
    ['DELETE', '..'],
  ] as const) {
    test(`is a 404 for ${method} ${path}`, async () => {
      const { send, resource } = server();
      await send({ input: 'one' }, {}, 'other');
      await assert.rejects(resource(method, path), { code: 'not_found', status: 404 });
      await assert.rejects(resource(method, path.replace('9', '1')), { code: 'not_found', status: 404 });
    });
  }

  test('cannot be streamed', async () => {
    const { send, resource } = server();
    await send({ input: 'one' });
    await assert.rejects(resource('GET', 'resp_1', 'stream=true'), { status: 400, param: 'stream' });
    await resource('GET', 'resp_1', 'stream=false');
  });

  test("lists its input items in OpenAI's format, each with an id", async () => {
    const { send, resource } = server();
    await send({
      input: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' }] },
        { type: 'reasoning', id: 'rs_mine', summary: [{ type: 'summary_text', text: 'Hm.' }] },
        { role: 'assistant', content: 'Hi.' },
        { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'done' },
        { type: 'web_search_call', id: 'ws_1' },
      ],
    });
    const list = (await resource('GET', 'resp_1/input_items', 'order=asc')) as { data: { id: string }[] };
    assertMatches('ResponseItemList', list);
    assert.deepEqual(
      list.data.map(({ id }) => id),
      ['msg_1_i0', 'msg_1_i1', 'rs_mine', 'msg_1_i3', 'fc_1_i4', 'fco_1_i5'],
    );
  });

  test('lists its input items in pages, the last item first', async () => {
    const { send, resource } = server();
    await send({ input: Array.from({ length: 25 }, (_, index) => ({ role: 'user', content: `${index}` })) });
    const page = async (query: string): Promise<{ ids: string[]; has_more: boolean }> => {
      const list = (await resource('GET', 'resp_1/input_items', query)) as {
        data: { id: string }[];
        first_id: string;
        last_id: string;
        has_more: boolean;
      };
      const ids = list.data.map(({ id }) => id);
      assert.deepEqual([list.first_id, list.last_id], [ids[0] ?? null, ids.at(-1) ?? null]);
      return { ids, has_more: list.has_more };
    };
    const first = await page('');
    assert.deepEqual([first.ids.length, first.ids[0], first.has_more], [20, 'msg_1_i24', true]);
    assert.deepEqual(await page(`after=${first.ids.at(-1)}`), {
      ids: ['msg_1_i4', 'msg_1_i3', 'msg_1_i2', 'msg_1_i1', 'msg_1_i0'],
      has_more: false,
    });
    assert.deepEqual(await page('order=asc&limit=2&after=msg_1_i22'), {
      ids: ['msg_1_i23', 'msg_1_i24'],
      has_more: false,
    });
    assert.deepEqual(await page('order=asc&after=msg_1_i24'), { ids: [], has_more: false });
    for (const [query, param] of [
      ['limit=0', 'limit'],
      ['limit=101', 'limit'],
      ['limit=x', 'limit'],
      ['order=up', 'order'],
      ['after=msg_9', 'after'],
    ] as const) {
      await assert.rejects(page(query), { status: 400, param });
    }
  });
});
