import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiError, saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

/** A rule, so that requests are translated although the server speaks the client's API. */
const models = [{ match: '*', max_tokens: 50 }];
const kind = { upstream: { kind: 'openai' as const }, models };

const fields = {
  logit_bias: { 50_256: -100 },
  user: 'me',
  service_tier: 'flex',
  verbosity: 'low',
  chat_template_kwargs: { enable_thinking: false, custom: 1 },
};

suite("a field that only servers with OpenAI's API have", () => {
  test('reaches such a server although a rule changes the request, and is not named', async () => {
    await using upstream = await openaiUpstream(saying('Hello'));
    await using gateway = await testGateway(upstream, kind);
    const response = await gateway.chat(fields);
    assert.equal(response.headers.get('x-llamaduct-dropped'), null);
    const sent = JSON.parse(upstream.requests[0]?.body ?? '') as object;
    assert.partialDeepStrictEqual(sent, { ...fields, reasoning_effort: 'none', max_tokens: 50 });
  });

  test('is named on Ollama', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat(fields);
    const names = 'logit_bias, user, service_tier, verbosity, chat_template_kwargs.custom';
    assert.equal(response.headers.get('x-llamaduct-dropped'), names);
  });

  test('is named before a slow answer of Ollama starts', async () => {
    const { promise: started, resolve: start } = Promise.withResolvers<undefined>();
    await using upstream = await fakeUpstream(async (res, sent) => {
      await started;
      await plainAnswer()(res, sent);
    });
    await using gateway = await testGateway(upstream, { timeouts: { silence: '10ms' } });
    const response = await gateway.chat({ user: 'me', stream: true });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'user');
    start(undefined);
    assert.match(await response.text(), /\[DONE\]/);
  });

  test('is left out and named if the server does not know it', async () => {
    await using upstream = await openaiUpstream((res, sent) =>
      sent.body.includes('"verbosity"')
        ? sendJson(res, 400, openaiError('Unrecognized request argument supplied: verbosity'))
        : saying('Hello')(res, sent),
    );
    await using gateway = await testGateway(upstream, kind);
    const response = await gateway.chat({ verbosity: 'low', user: 'me' });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'verbosity');
    assert.match(upstream.requests.at(-1)?.body ?? '', /"user":"me"/);
  });

  test('is named if its value has a type that such a server would refuse', async () => {
    await using upstream = await openaiUpstream(saying('Hello'));
    await using gateway = await testGateway(upstream, kind);
    const response = await gateway.chat({ user: 7, logit_bias: [1], store: 'yes' });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'user, logit_bias, store');
  });
});

test('a dropped field is named as the client spelled it', async () => {
  await using upstream = await openaiUpstream(saying('Hello'));
  await using gateway = await testGateway(upstream, kind);
  const response = await gateway.chat({ num_ctx: 4096, options: { num_gpu: 1 }, keep_alive: '5m' });
  assert.equal(response.headers.get('x-llamaduct-dropped'), 'num_ctx, options.num_gpu, keep_alive');
  await using ollama = await fakeUpstream((res, sent) =>
    sent.body.includes('"think"')
      ? sendJson(res, 400, { error: '"m" does not support thinking' })
      : plainAnswer()(res, sent),
  );
  await using other = await testGateway(ollama);
  for (const [body, name] of [
    [{ thinking: { type: 'enabled' } }, 'thinking.type'],
    [{ reasoning: { effort: 'high' } }, 'reasoning.effort'],
    [{ enable_thinking: true }, 'enable_thinking'],
    [{ reasoning_effort: 'low' }, 'reasoning_effort'],
    [{ think: true }, 'think'],
  ] as const) {
    assert.equal((await other.chat(body)).headers.get('x-llamaduct-dropped'), name);
  }
});

test('an unknown field is named as it is, even if another API has a field of that name', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  for (const [path, body] of [
    ['/v1/messages', { messages: [{ role: 'user', content: 'hi' }], max_tokens: 9 }],
    ['/v1/responses', { input: 'hi' }],
  ] as const) {
    const response = await gateway.fetch(path, {
      method: 'POST',
      body: JSON.stringify({ model: 'scripted-plain', ...body, response_format: { type: 'text' } }),
    });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'response_format');
    await response.text();
  }
});
