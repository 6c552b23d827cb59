import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../helpers/wait.ts';
import { liveGateway, native, answerOfNative, answerOfCompletion, sdk, user } from './live.ts';

const gateway = await liveGateway();
after(() => gateway.close());
const client = sdk(gateway);

const plain = { model: 'scripted-plain', messages: [user('hi')] };

interface Running {
  readonly models: readonly { readonly name: string; readonly context_length: number; readonly expires_at: string }[];
}

for (const field of ['max_tokens', 'max_completion_tokens']) {
  test(`${field} limits the answer, and finish_reason is length`, async () => {
    const answer = answerOfCompletion(await client.chat.completions.create({ ...plain, [field]: 5 }));
    assert.deepEqual([answer.text, answer.finish, answer.tokens[1]], ['Hello! I am a', 'length', 5]);
  });
}

for (const stop of ['STOP', ['STOP', 'zeta']]) {
  test(`stop ${JSON.stringify(stop)} ends the answer before the sequence`, async () => {
    const answer = answerOfCompletion(
      await client.chat.completions.create({ ...plain, messages: [user('<|s:stops|>')], stop }),
    );
    assert.deepEqual([answer.text, answer.finish], ['alpha beta gamma ', 'stop']);
  });
}

test('the seed determines the sampled text', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')] };
  const texts = new Set<string>();
  for (const seed of [1, 2, 3, 4]) {
    const { text } = answerOfCompletion(await client.chat.completions.create({ ...request, seed }));
    assert.equal(text, answerOfNative(await native('/api/chat', { ...request, options: { seed } })).text);
    texts.add(text);
  }
  assert.ok(texts.size > 1);
});

test('temperature 0 and top_p 0 make sampling deterministic', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')] };
  const greedy = { ...request, temperature: 0 };
  for (const seed of [1, 2, 3]) {
    for (const fields of [greedy, { ...request, top_p: 0 }]) {
      const { text } = answerOfCompletion(await client.chat.completions.create({ ...fields, seed }));
      assert.equal(text, 'The quick brown fox jumps over my fence é🎲.');
    }
  }
});

test('an answer matches the JSON Schema of response_format', async () => {
  const schema = {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
  };
  const request = { model: 'scripted-json', messages: [user('hi')] };
  const expected = answerOfNative(await native('/api/chat', { ...request, format: schema }));
  const answer = answerOfCompletion(
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

test('response_format json_object makes the answer JSON', async () => {
  const messages = [user('<|s:jsonprose|>')];
  const unconstrained = answerOfCompletion(await client.chat.completions.create({ ...plain, messages }));
  assert.throws(() => JSON.parse(unconstrained.text));
  const constrained = await client.chat.completions.create({
    ...plain,
    messages,
    max_tokens: 40,
    response_format: { type: 'json_object' },
  });
  assert.match(answerOfCompletion(constrained).text, /^\s*\{/);
});

test('logprobs are equal to those of Ollama', async () => {
  const request = { model: 'scripted-soft', messages: [user('hi')], logprobs: true, top_logprobs: 3 };
  const expected = await native('/api/chat', { ...request, options: { temperature: 0, num_predict: 4 } });
  const { choices } = await client.chat.completions.create({ ...request, temperature: 0, max_tokens: 4 });
  const given = choices[0]?.logprobs?.content ?? [];
  assert.deepEqual(
    given.map(({ token, bytes }) => ({ token, bytes })),
    expected.logprobs?.map(({ token, bytes }) => ({ token, bytes })),
  );
  given.forEach(({ logprob, top_logprobs: top }, index) => {
    // The last digits depend on whether the prompt was cached.
    assert.ok(Math.abs(logprob - (expected.logprobs?.[index]?.logprob ?? NaN)) < 1e-3);
    assert.equal(top.length, 3);
  });
});

test('num_ctx can be set through an extra field of the OpenAI SDK', async () => {
  for (const num_ctx of [2048, 1024]) {
    const extra = { options: { num_ctx } };
    await client.chat.completions.create({ ...plain, ...extra });
    assert.equal((await loaded())?.context_length, num_ctx);
  }
});

test('keep_alive can be set through an extra field of the OpenAI SDK', async () => {
  for (const [keep_alive, seconds] of [
    ['2h', 7200],
    [600, 600],
  ] as const) {
    const extra = { options: { num_ctx: 512 }, keep_alive };
    await client.chat.completions.create({ ...plain, ...extra });
    await until(`keep_alive ${keep_alive} to take effect`, async () => {
      const left = Date.parse((await loaded())?.expires_at ?? '') - Date.now();
      return Math.abs(left / 1000 - seconds) < 10;
    });
  }
});

/**
 * @returns the entry of /api/ps. Models with the same weights share a runner; a change of num_ctx reloads it under the name
 *   of the request
 */
async function loaded(): Promise<Running['models'][number] | undefined> {
  const { models } = await native<Running>('/api/ps');
  return models.find(({ name }) => name === 'scripted-plain:latest');
}
