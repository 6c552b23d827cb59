import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway, ending } from '../helpers/gateway.ts';
import { openaiUpstream, saying } from '../helpers/openai-upstream.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { counting, endpoints, keyOf, posted, tester } from '../limits/limited.ts';

const model = 'scripted-plain:latest';
const cap = 100;

/** How each endpoint says how long an answer may be. */
const fields: Readonly<Record<string, readonly ((tokens: number) => object)[]>> = {
  '/v1/chat/completions': [
    (tokens) => ({ max_tokens: tokens }),
    (tokens) => ({ max_completion_tokens: tokens }),
    (tokens) => ({ options: { num_predict: tokens } }),
  ],
  '/v1/completions': [(tokens) => ({ max_tokens: tokens })],
  '/v1/responses': [(tokens) => ({ max_output_tokens: tokens })],
  '/v1/messages': [(tokens) => ({ max_tokens: tokens })],
  '/api/chat': [(tokens) => ({ options: { num_predict: tokens } })],
  '/api/generate': [(tokens) => ({ options: { num_predict: tokens } })],
};
const generating = endpoints.flatMap(({ path, body }) =>
  (fields[path] ?? []).map((field) => ({ path, body, field, name: `${path} ${JSON.stringify(field(0))}` })),
);

type Kind = 'ollama' | 'openai';

/** A gateway, and how long an answer its upstream was last asked for. */
async function proxy(kind: Kind, settings: Record<string, unknown>) {
  const upstream =
    kind === 'ollama' ? await fakeUpstream(counting(5, 5)) : await openaiUpstream(saying('Hello'), [model]);
  const gateway = await testGateway(upstream, { ...settings, upstream: { kind } });
  return {
    upstream,
    async ask(path: string, body: object, key: string): Promise<unknown> {
      const before = upstream.requests.length;
      const response = await gateway.fetch(path, posted(body, key));
      assert.equal(response.status, 200, await response.text());
      assert.equal(upstream.requests.length, before + 1);
      return askedFor(upstream.requests.at(-1)?.body ?? '');
    },
    ...ending(gateway, upstream),
  };
}

function askedFor(body: string): unknown {
  const asked = JSON.parse(body) as Record<string, unknown>;
  const { options, max_tokens: tokens, max_completion_tokens: newer } = asked;
  return (options as { num_predict?: unknown } | undefined)?.num_predict ?? tokens ?? newer;
}

const settings = {
  groups: { lab: { limits: { max_tokens: cap } } },
  keys: [
    tester,
    keyOf('alice', { limits: { max_tokens: cap } }),
    keyOf('bob', { group: 'lab' }),
    keyOf('cleo', { group: 'lab', limits: { max_tokens: 500 } }),
  ],
};

for (const kind of ['ollama', 'openai'] as const) {
  suite(`the longest answer that a key may ask for, in front of ${kind}`, () => {
    for (const { path, body, field, name } of generating) {
      test(`bounds what is asked for: ${name}`, async () => {
        await using gateway = await proxy(kind, settings);
        for (const stream of [false, true]) {
          const ask = async (tokens: number, key = 'alice'): Promise<unknown> =>
            await gateway.ask(path, { ...body, stream, ...field(tokens) }, key);
          assert.equal(await ask(4096), cap);
          assert.equal(await ask(20), 20);
          assert.equal(await ask(4096, 'bob'), cap);
          assert.equal(await ask(4096, 'cleo'), 500);
        }
      });
    }

    test('stands where nothing is asked for', async () => {
      await using gateway = await proxy(kind, settings);
      for (const { path, body } of generating) {
        const { max_tokens: _, ...without } = body;
        if (path === '/v1/messages') continue;
        assert.equal(await gateway.ask(path, without, 'alice'), cap, path);
      }
    });

    test('stands where as many as it likes are asked for', async () => {
      await using gateway = await proxy(kind, settings);
      for (const { path, body } of endpoints.filter(({ path: of }) => of === '/api/chat' || of === '/api/generate')) {
        for (const tokens of [-1, -2]) {
          assert.equal(await gateway.ask(path, { ...body, options: { num_predict: tokens } }, 'alice'), cap, path);
        }
      }
    });

    test('leaves the length of a rule where that is smaller, and bounds it where not', async () => {
      const rule = (of: object): Record<string, unknown> => ({ ...settings, models: [{ match: '*', ...of }] });
      const absent = endpoints.filter(({ path }) => path in fields && path !== '/v1/messages');
      for (const [of, asked, expected] of [
        [{ max_tokens: 30 }, 4096, 30],
        [{ max_tokens: 30 }, undefined, 30],
        [{ max_tokens: 900 }, 4096, cap],
        [{ max_tokens: 900 }, undefined, cap],
        [{ pin: { num_predict: 40 } }, undefined, 40],
        [{ pin: { num_predict: 40 } }, 80, 40],
        [{ pin: { num_predict: 900 } }, 80, cap],
        [{ options: { num_predict: 40 } }, undefined, 40],
        [{ options: { num_predict: 40 } }, 80, 80],
      ] as const) {
        await using gateway = await proxy(kind, rule(of));
        for (const { path, body } of absent) {
          const field = asked === undefined ? {} : fields[path]?.[0]?.(asked);
          const told = await gateway.ask(path, { ...body, ...field }, 'alice');
          assert.equal(told, expected, `${path}, ${JSON.stringify(of)}, ${asked}`);
        }
      }
    });

    test('counts the tokens of a prompt with an answer of one', async () => {
      await using gateway = await proxy(kind, settings);
      const { body } = endpoints.find(({ path }) => path === '/v1/messages/count_tokens') ?? {};
      assert.ok(body !== undefined);
      assert.equal(await gateway.ask('/v1/messages/count_tokens', body, 'alice'), 1);
    });
  });
}

test('whatever the spelling: Ollama reads names without regard to case', async () => {
  await using gateway = await proxy('ollama', settings);
  for (const options of ['Options', 'OPTIONS', 'optionſ']) {
    const body = { model, messages: [{ role: 'user', content: 'hi' }], [options]: { num_predict: 4096 } };
    assert.equal(await gateway.ask('/api/chat', body, 'alice'), cap, options);
    const [sent] = gateway.upstream.requests.splice(0);
    assert.deepEqual(Object.keys(JSON.parse(sent?.body ?? '{}') as object), ['model', 'messages', 'options']);
  }
});
