import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

/** One server: its responses are named resp_1, resp_2, and so on. */
function server(keeper: TextStore = new MemoryTextStore({ entries: 5_000, bytes: 1e9, ttl: 60_000 })) {
  const protocol = responses(keeper);
  const resources = responseResources(keeper);
  let count = 0;
  return {
    /** @returns what the model was asked */
    ask: async (body: object, answer: Partial<ChatResult> = {}, owner = 'tester'): Promise<ChatRequest> => {
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
      const found = resources.find((one) => one.method === method && one.path === `/v1/responses/:id${rest}`);
      return await found?.answer({ id, query: new URLSearchParams(query), owner });
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

describe('previous_response_id', () => {
  test('brings back every turn before, without their instructions', async () => {
    const { ask } = server();
    await ask({ input: 'one', instructions: 'Be kind.' }, { text: 'eins', reasoning: 'Hm.' });
    const call = { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{"a":9007199254740993}' } as const;
    await ask({ input: 'two', previous_response_id: 'resp_1' }, { text: 'zwei', toolCalls: [call] });
    const { messages } = await ask({
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

  test('needs no input', async () => {
    const { ask } = server();
    await ask({ input: 'one' }, { text: 'eins' });
    assert.deepEqual((await ask({ previous_response_id: 'resp_1' })).messages, [user('one'), assistant('eins')]);
  });

  test("is unknown for others, though they guess an owner's name", async () => {
    const { ask } = server();
    await ask({ input: 'one' }, {}, 'alice');
    await assert.rejects(ask({ input: 'two', previous_response_id: 'resp_1' }, {}, 'bob'), notFound);
    await assert.rejects(ask({ input: 'two', previous_response_id: 'alice:resp_1' }, {}, ''), notFound);
    await ask({ input: 'two', previous_response_id: 'resp_1' }, {}, 'alice');
  });

  test('is unknown after store: false, and after a delete of any link', async () => {
    const { ask, resource } = server();
    await ask({ input: 'one', store: false });
    await assert.rejects(ask({ input: 'two', previous_response_id: 'resp_1' }), notFound);
    await ask({ input: 'one' });
    await ask({ input: 'two', previous_response_id: 'resp_2' });
    assert.deepEqual(await resource('DELETE', 'resp_2'), { id: 'resp_2', object: 'response', deleted: true });
    await assert.rejects(ask({ input: 'three', previous_response_id: 'resp_3' }), notFound);
  });

  test('keeps the beginning of a conversation that goes on', async () => {
    const { ask } = server(new MemoryTextStore({ entries: 3, bytes: 1e6, ttl: 60_000 }));
    await ask({ input: 'one' });
    await ask({ input: 'two', previous_response_id: 'resp_1' });
    await ask({ input: 'another' });
    await ask({ input: 'three', previous_response_id: 'resp_2' });
    // resp_3 had to go.
    const { messages } = await ask({ input: 'four', previous_response_id: 'resp_4', store: false });
    assert.deepEqual(
      messages.filter(({ role }) => role === 'user').map(({ text }) => text),
      ['one', 'two', 'three', 'four'],
    );
    await assert.rejects(ask({ previous_response_id: 'resp_3' }), notFound);
  });

  test('a chain is bounded, be it endless or a circle', async () => {
    for (const next of [(id: number) => id + 1, () => 1]) {
      let links = 0;
      const { ask } = server({
        async get(key) {
          links += 1;
          const id = Number(/\d+$/.exec(key)?.[0]);
          return JSON.stringify({ response: { output: [], previous_response_id: `resp_${next(id)}` }, input: [] });
        },
        put: async () => undefined,
        delete: async () => false,
      });
      await assert.rejects(ask({ input: 'a', previous_response_id: 'resp_1' }), { param: 'previous_response_id' });
      assert.ok(links > 0 && links <= 1_000, String(links));
    }
  });

  test('a store that fails fails what needs it, not an answer', async () => {
    const gone: TextStore = {
      get: async () => await Promise.reject(new Error('gone')),
      put: async () => await Promise.reject(new Error('gone')),
      delete: async () => await Promise.reject(new Error('gone')),
    };
    const { ask } = server(gone);
    await ask({ input: 'one' });
    await assert.rejects(ask({ input: 'two', previous_response_id: 'resp_1' }), { message: 'gone' });
  });
});

describe('item_reference', () => {
  const reference = (id: string): object => ({ type: 'item_reference', id });

  test('takes single items of earlier answers and of their input', async () => {
    const { ask } = server();
    await ask({ input: 'one' }, { text: 'eins', reasoning: 'Hm.' });
    const { messages } = await ask({
      input: ['msg_1_i0', 'rs_1_0', 'msg_1_1'].map(reference).concat({ role: 'user', content: 'two' }),
    });
    assert.deepEqual(messages, [user('one'), assistant('eins', { reasoning: 'Hm.' }), user('two')]);
  });

  test("takes an item of the chain by the client's own id", async () => {
    const { ask } = server();
    await ask({ input: [{ type: 'message', id: 'mine', role: 'user', content: 'one' }] });
    const { messages } = await ask({ input: [reference('mine')], previous_response_id: 'resp_1' });
    assert.deepEqual(messages, [user('one'), assistant(''), user('one')]);
  });

  test('is not found for others, for another place or another kind', async () => {
    const { ask } = server();
    await ask({ input: 'one' }, { text: 'eins' }, 'alice');
    const missing = { code: 'not_found', status: 404, param: 'input[0].id' };
    await assert.rejects(ask({ input: [reference('msg_1_0')] }, {}, 'bob'), missing);
    for (const id of ['msg_1_1', 'fc_1_0', 'msg_1_i1', 'msg_1_', '__proto__', 'x'.repeat(10_000)]) {
      await assert.rejects(ask({ input: [reference(id)] }, {}, 'alice'), missing);
    }
  });

  test('one item over and over is bounded', async () => {
    const { ask } = server();
    await ask({ input: 'x'.repeat(1_000_000) });
    const input = Array.from({ length: 40 }, () => reference('msg_1_i0'));
    await assert.rejects(ask({ input }), { code: 'invalid_value' });
  });
});

describe('resources', () => {
  test('a response that is kept', async () => {
    const { ask, resource } = server();
    await ask({ input: 'one', metadata: { a: 'b' } }, { text: 'eins', finishReason: 'length' });
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
    test(`${method} ${path} is not found`, async () => {
      const { ask, resource } = server();
      await ask({ input: 'one' }, {}, 'other');
      await assert.rejects(resource(method, path), { code: 'not_found', status: 404 });
      await assert.rejects(resource(method, path.replace('9', '1')), { code: 'not_found', status: 404 });
    });
  }

  test('stream is refused', async () => {
    const { ask, resource } = server();
    await ask({ input: 'one' });
    await assert.rejects(resource('GET', 'resp_1', 'stream=true'), { status: 400, param: 'stream' });
    await resource('GET', 'resp_1', 'stream=false');
  });

  test('input items, each as OpenAI describes it', async () => {
    const { ask, resource } = server();
    await ask({
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

  test('input items come in pages, the last first', async () => {
    const { ask, resource } = server();
    await ask({ input: Array.from({ length: 25 }, (_, index) => ({ role: 'user', content: `${index}` })) });
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
