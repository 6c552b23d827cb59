import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../helpers/wait.ts';
import { liveGateway, native, saidNatively, saidWhole, sdk, user } from './live.ts';

const gateway = await liveGateway();
after(() => gateway.close());
const client = sdk(gateway);

const plain = { model: 'scripted-plain', messages: [user('hi')] };

interface Running {
  readonly models: readonly { readonly name: string; readonly context_length: number; readonly expires_at: string }[];
}

for (const field of ['max_tokens', 'max_completion_tokens']) {
  test(`${field} cuts the answer and says so`, async () => {
    const answer = saidWhole(await client.chat.completions.create({ ...plain, [field]: 5 }));
    assert.deepEqual([answer.text, answer.finish, answer.tokens[1]], ['Hello! I am a', 'length', 5]);
  });
}

for (const stop of ['STOP', ['STOP', 'zeta']]) {
  test(`stop ${JSON.stringify(stop)} ends the answer before it`, async () => {
    const answer = saidWhole(await client.chat.completions.create({ ...plain, messages: [user('<|s:stops|>')], stop }));
    assert.deepEqual([answer.text, answer.finish], ['alpha beta gamma ', 'stop']);
  });
}

test('a seed decides what is sampled', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')] };
  const texts = new Set<string>();
  for (const seed of [1, 2, 3, 4]) {
    const { text } = saidWhole(await client.chat.completions.create({ ...request, seed }));
    assert.equal(text, saidNatively(await native('/api/chat', { ...request, options: { seed } })).text);
    texts.add(text);
  }
  assert.ok(texts.size > 1);
});

test('temperature and top_p decide whether anything is sampled at all', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')] };
  const greedy = { ...request, temperature: 0 };
  for (const seed of [1, 2, 3]) {
    for (const fields of [greedy, { ...request, top_p: 0 }]) {
      const { text } = saidWhole(await client.chat.completions.create({ ...fields, seed }));
      assert.equal(text, 'The quick brown fox jumps over my fence é🎲.');
    }
  }
});

test('a JSON Schema holds the answer to its shape', async () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
  };
  const request = { model: 'scripted-json', messages: [user('hi')] };
  const expected = saidNatively(await native('/api/chat', { ...request, format: schema }));
  const answer = saidWhole(
    await client.chat.completions.create({
      ...request,
      response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } },
    }),
  );
  assert.deepEqual(answer, expected);
  const person = JSON.parse(answer.text) as Record<string, unknown>;
  assert.deepEqual(
    Object.entries(person).map(([name, value]) => [name, typeof value]),
    [
      ['name', 'string'],
      ['age', 'number'],
    ],
  );
});

test('json_object makes prose impossible', async () => {
  const messages = [user('<|s:jsonprose|>')];
  const free = saidWhole(await client.chat.completions.create({ ...plain, messages }));
  assert.throws(() => JSON.parse(free.text));
  const held = await client.chat.completions.create({
    ...plain,
    messages,
    max_tokens: 40,
    response_format: { type: 'json_object' },
  });
  assert.match(saidWhole(held).text, /^\s*\{/);
});

test('logprobs are those of Ollama', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')], logprobs: true, top_logprobs: 3 };
  const expected = await native('/api/chat', { ...request, options: { temperature: 0, num_predict: 4 } });
  const { choices } = await client.chat.completions.create({ ...request, temperature: 0, max_tokens: 4 });
  const given = choices[0]?.logprobs?.content ?? [];
  assert.deepEqual(
    given.map(({ token, bytes }) => ({ token, bytes })),
    expected.logprobs?.map(({ token, bytes }) => ({ token, bytes })),
  );
  given.forEach(({ logprob, top_logprobs: top }, index) => {
    // Whether the prompt was cached changes the last digits.
    assert.ok(Math.abs(logprob - (expected.logprobs?.[index]?.logprob ?? NaN)) < 1e-3);
    assert.equal(top.length, 3);
  });
});

test('num_ctx comes through an OpenAI SDK as an extra field', async () => {
  for (const num_ctx of [2048, 1024]) {
    const extra = { options: { num_ctx } };
    await client.chat.completions.create({ ...plain, ...extra });
    assert.equal((await loaded())?.context_length, num_ctx);
  }
});

test('keep_alive comes through an OpenAI SDK as an extra field', async () => {
  for (const [keep_alive, seconds] of [
    ['2h', 7200],
    [600, 600],
  ] as const) {
    const extra = { options: { num_ctx: 512 }, keep_alive };
    await client.chat.completions.create({ ...plain, ...extra });
    await until(`${keep_alive} to be granted`, async () => {
      const left = Date.parse((await loaded())?.expires_at ?? '') - Date.now();
      return Math.abs(left / 1000 - seconds) < 10;
    });
  }
});

/** What Ollama runs. Models of the same weights share a runner, which a change of num_ctx loads anew under its own name. */
async function loaded(): Promise<Running['models'][number] | undefined> {
  const { models } = await native<Running>('/api/ps');
  return models.find(({ name }) => name === 'scripted-plain:latest');
}
