import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway, ending } from '../helpers/gateway.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { counting, endpoints, keyOf, posted, tester } from '../limits/limited.ts';

const model = 'scripted-plain:latest';
const cap = 100;

/** The fields by which each endpoint limits the length of an answer. */
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

/** A gateway, and the limit of the answer's length that its upstream receives. */
async function proxy(kind: Kind, settings: Record<string, unknown>) {
  const upstream =
    kind === 'ollama' ? await fakeUpstream(counting(5, 5)) : await openaiUpstream(saying('Hello'), [model]);
  const gateway = await testGateway(upstream, { ...settings, upstream: { kind } });
  return {
    upstream,
    /** Sends a request, and returns the limit that reached the upstream. */
    async limitOf(path: string, body: object, key: string): Promise<unknown> {
      const before = upstream.requests.length;
      const response = await gateway.fetch(path, posted(body, key));
      assert.equal(response.status, 200, await response.text());
      assert.equal(upstream.requests.length, before + 1);
      return limitIn(upstream.requests.at(-1)?.body ?? '');
    },
    ...ending(gateway, upstream),
  };
}

function limitIn(body: string): unknown {
  const sent = JSON.parse(body) as Record<string, unknown>;
  const { options, max_tokens: tokens, max_completion_tokens: newer } = sent;
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
  suite(`max_tokens of a key, in front of ${kind}`, () => {
    for (const { path, body, field, name } of generating) {
      test(`lowers a higher limit of the request: ${name}`, async () => {
        await using gateway = await proxy(kind, settings);
        for (const stream of [false, true]) {
          const limitOf = async (tokens: number, key = 'alice'): Promise<unknown> =>
            await gateway.limitOf(path, { ...body, stream, ...field(tokens) }, key);
          assert.equal(await limitOf(4096), cap);
          assert.equal(await limitOf(20), 20);
          assert.equal(await limitOf(4096, 'bob'), cap);
          assert.equal(await limitOf(4096, 'cleo'), 500);
        }
      });
    }

    test('applies to a request without a limit', async () => {
      await using gateway = await proxy(kind, settings);
      for (const { path, body } of generating) {
        const { max_tokens: _, ...without } = body;
        if (path === '/v1/messages') continue;
        assert.equal(await gateway.limitOf(path, without, 'alice'), cap, path);
      }
    });

    test('applies to a request for an unlimited answer, a num_predict of -1 or -2', async () => {
      await using gateway = await proxy(kind, settings);
      for (const { path, body } of endpoints.filter(({ path: of }) => of === '/api/chat' || of === '/api/generate')) {
        for (const tokens of [-1, -2]) {
          assert.equal(await gateway.limitOf(path, { ...body, options: { num_predict: tokens } }, 'alice'), cap, path);
        }
      }
    });

    test('keeps a lower limit of a model rule, and lowers a higher one', async () => {
      const withRule = (rule: object): Record<string, unknown> => ({ ...settings, models: [{ match: '*', ...rule }] });
      const absent = endpoints.filter(({ path }) => path in fields && path !== '/v1/messages');
      for (const [rule, requested, expected] of [
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
        await using gateway = await proxy(kind, withRule(rule));
        for (const { path, body } of absent) {
          const field = requested === undefined ? {} : fields[path]?.[0]?.(requested);
          const sent = await gateway.limitOf(path, { ...body, ...field }, 'alice');
          assert.equal(sent, expected, `${path}, ${JSON.stringify(rule)}, ${requested}`);
        }
      }
    });

    test('does not change count_tokens, which generates one token', async () => {
      await using gateway = await proxy(kind, settings);
      const { body } = endpoints.find(({ path }) => path === '/v1/messages/count_tokens') ?? {};
      assert.ok(body !== undefined);
      assert.equal(await gateway.limitOf('/v1/messages/count_tokens', body, 'alice'), 1);
    });
  });
}

suite('max_tokens of a key, and the lenient parser of Ollama', () => {
  for (const [numPredict, sent] of [
    [0.5, 3],
    [1.5, 1],
    [2.9, 2],
  ] as const) {
    test(`limits a fractional num_predict as Ollama reads it, without its fraction: ${numPredict}`, async () => {
      const keys = [tester, keyOf('alice', { limits: { max_tokens: 3 } })];
      await using gateway = await proxy('ollama', { keys });
      for (const path of ['/api/chat', '/v1/chat/completions']) {
        const messages = [{ role: 'user', content: 'hi' }];
        const body = { model, messages, stream: true, options: { num_predict: numPredict } };
        assert.equal(await gateway.limitOf(path, body, 'alice'), sent, path);
      }
    });
  }

  test('limits num_predict in any spelling of `options`, because Ollama ignores the case of field names', async () => {
    await using gateway = await proxy('ollama', settings);
    for (const options of ['Options', 'OPTIONS', 'optionſ']) {
      const body = { model, messages: [{ role: 'user', content: 'hi' }], [options]: { num_predict: 4096 } };
      assert.equal(await gateway.limitOf('/api/chat', body, 'alice'), cap, options);
      const [sent] = gateway.upstream.requests.splice(0);
      assert.deepEqual(Object.keys(JSON.parse(sent?.body ?? '{}') as object), ['model', 'messages', 'options']);
    }
  });
});

test('max_tokens of a model rule lowers the num_predict of a request, and never raises it', async () => {
  await using gateway = await proxy('ollama', {
    models: [{ match: '*', max_tokens: 5 }],
    keys: [tester, keyOf('alice')],
  });
  for (const [requested, sent] of [
    [2, 2],
    [-1, 5],
    [50, 5],
  ]) {
    const body = { model, messages: [{ role: 'user', content: 'hi' }], options: { num_predict: requested } };
    await gateway.limitOf('/v1/chat/completions', body, 'alice');
    const { options } = JSON.parse(gateway.upstream.requests.at(-1)?.body ?? '{}') as { options: unknown };
    assert.deepEqual(options, { num_predict: sent });
  }
});
