import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import OpenAI from 'openai';
import { secret, testGateway } from '../helpers/gateway.ts';
import { ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

/** Continues each prompt with its own letters, one per line, with log probabilities on request. */
const continuing: Answer = (res, { body }) => {
  const { prompt, logprobs } = JSON.parse(body) as { prompt: string; logprobs?: boolean };
  ndjson(res);
  for (const letter of prompt.toUpperCase()) {
    const top = [
      { token: letter, logprob: -0.5 },
      { token: '?', logprob: -2 },
    ];
    const entry = { token: letter, logprob: -0.5, bytes: [letter.charCodeAt(0)], top_logprobs: top };
    res.write(
      `${JSON.stringify({ response: letter, done: false, ...(logprobs === true && { logprobs: [entry] }) })}\n`,
    );
  }
  res.end(
    `${JSON.stringify({ response: '', done: true, done_reason: 'length', prompt_eval_count: 3, eval_count: 2 })}\n`,
  );
};

const sent = (request: { body: string } | undefined): Record<string, unknown> =>
  JSON.parse(request?.body ?? '{}') as Record<string, unknown>;

suite('/v1/completions', () => {
  test('sends every field to /api/generate, streamed and not streamed', async () => {
    await using upstream = await fakeUpstream(continuing);
    await using gateway = await testGateway(upstream);
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret, maxRetries: 0 });
    const request = {
      model: 'scripted-plain',
      prompt: 'ab',
      suffix: 'z',
      max_tokens: 2,
      temperature: 0,
      stop: ['!'],
      seed: 4,
    };
    const whole = await client.completions.create({
      ...request,
      raw: true,
      options: { num_ctx: 512 },
    } as typeof request);
    assert.match(whole.id, /^cmpl-[0-9a-f]{32}$/);
    assert.deepEqual(whole.choices, [{ text: 'AB', index: 0, logprobs: null, finish_reason: 'length' }]);
    assert.deepEqual(whole.usage, { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 });
    assert.deepEqual(sent(upstream.requests[0]), {
      model: 'scripted-plain',
      stream: true,
      truncate: false,
      think: false,
      prompt: 'ab',
      suffix: 'z',
      raw: true,
      options: { num_ctx: 512, temperature: 0, seed: 4, stop: ['!'], num_predict: 2 },
    });
    const texts: string[] = [];
    for await (const chunk of await client.completions.create({ ...request, stream: true })) {
      texts.push(chunk.choices[0]?.text ?? '');
    }
    assert.deepEqual(texts, ['A', 'B', '']);
  });

  test('returns n choices per prompt in order, with the prompt for `echo`', async () => {
    await using upstream = await fakeUpstream(continuing);
    await using gateway = await testGateway(upstream);
    const body = { model: 'scripted-plain', prompt: ['ab', 'c'], n: 2, echo: true, logprobs: 1 };
    const init = (more: object): RequestInit => ({ method: 'POST', body: JSON.stringify({ ...body, ...more }) });
    const whole = (await (await gateway.fetch('/v1/completions', init({}))).json()) as OpenAI.Completion;
    assert.deepEqual(
      whole.choices.map(({ index, text }) => [index, text]),
      [
        [0, 'abAB'],
        [1, 'abAB'],
        [2, 'cC'],
        [3, 'cC'],
      ],
    );
    assert.deepEqual(whole.choices[0]?.logprobs, {
      tokens: ['A', 'B'],
      token_logprobs: [-0.5, -0.5],
      top_logprobs: [
        { A: -0.5, '?': -2 },
        { B: -0.5, '?': -2 },
      ],
      text_offset: [2, 3],
    });
    const text = await (await gateway.fetch('/v1/completions', init({ stream: true }))).text();
    const chunks = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json = '']) => JSON.parse(json) as OpenAI.Completion);
    for (const [index, expected] of ['abAB', 'abAB', 'cC', 'cC'].entries()) {
      const own = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.index === index));
      assert.equal(own.map((choice) => choice.text).join(''), expected);
      assert.deepEqual(
        own.flatMap(({ logprobs }) => logprobs?.text_offset ?? []),
        index < 2 ? [2, 3] : [1],
      );
      assert.equal(own.at(-1)?.finish_reason, 'length');
    }
  });

  test('returns a 400 with the name of a field that is invalid', async () => {
    await using upstream = await fakeUpstream(continuing);
    await using gateway = await testGateway(upstream);
    const invalid: [object, string, RegExp][] = [
      [{ prompt: undefined }, 'prompt', /must be a string or an array/],
      [{ prompt: [] }, 'prompt', /must be a string or an array/],
      [{ prompt: [1, 2] }, 'prompt', /Send the text/],
      [{ prompt: [[1, 2]] }, 'prompt', /Send the text/],
      [{ prompt: [{}] }, 'prompt', /must be a string/],
      [{ logprobs: 'all' }, 'logprobs', /must be a number/],
      [{ echo: 'yes' }, 'echo', /true or false/],
    ];
    for (const [body, param, message] of invalid) {
      const init = { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', prompt: 'hi', ...body }) };
      const response = await gateway.fetch('/v1/completions', init);
      const { error } = (await response.json()) as { error: { param: string; message: string } };
      assert.deepEqual([response.status, error.param], [400, param]);
      assert.match(error.message, message);
    }
    assert.equal(upstream.requests.length, 0);
  });

  test('lists best_of as dropped when it is larger than n', async () => {
    await using upstream = await fakeUpstream(continuing);
    await using gateway = await testGateway(upstream);
    for (const [bestOf, header] of [
      [1, null],
      [3, 'best_of'],
      [{ toString: 2 }, 'best_of'],
    ] as const) {
      const body = JSON.stringify({ model: 'scripted-plain', prompt: 'hi', best_of: bestOf });
      const response = await gateway.fetch('/v1/completions', { method: 'POST', body });
      assert.equal(response.headers.get('x-llamaduct-dropped'), header);
    }
  });
});
