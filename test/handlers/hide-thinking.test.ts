import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { textUntilBroken } from '../helpers/broken.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const thought = 'a private thought';
const hidden = { keys: [{ name: 'limited', hash: hashSecret(secret), hide_thinking: true }] };
const counts = { total_duration: 1e9, prompt_eval_count: 5, eval_count: 7, eval_duration: 1e9 };
const head = { model: 'scripted-plain', created_at: '2026-11-21T03:56:01.6Z' };
const tokens = [{ token: thought, logprob: -0.1 }];
const call = { function: { name: 'f', arguments: { big: 'N' } } };

/** The lines of a streamed answer to `/api/chat` or `/api/generate`, and the same in one piece. */
const answers = {
  '/api/chat': [
    { message: { role: 'assistant', content: '', thinking: `${thought} ` }, done: false, logprobs: tokens },
    { message: { role: 'assistant', content: '', thinking: thought }, done: false },
    { message: { role: 'assistant', content: '' }, done: false, logprobs: tokens },
    { message: { role: 'assistant', content: 'Hello' }, done: false, logprobs: [{ token: 'Hello', logprob: -0.2 }] },
    { message: { role: 'assistant', content: '', tool_calls: [call] }, done: false },
    { message: { role: 'assistant', content: '!', thinking: thought }, done: true, done_reason: 'stop', ...counts },
  ],
  '/api/generate': [
    { response: '', thinking: `${thought} `, done: false, logprobs: tokens },
    { response: 'Hello', done: false },
    { response: '', thinking: thought, done: true, done_reason: 'stop', context: [1, 2, 3], ...counts },
  ],
} as const;

const big = '9007199254740993';

function text(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify({ ...head, ...line })}\n`.replace('"N"', big)).join('');
}

/** Cut at every place, so that no line comes whole. */
function inPieces(body: string, size: number): Answer {
  return async (res) => {
    ndjson(res);
    const bytes = Buffer.from(body);
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise((resolve) => res.write(bytes.subarray(at, at + size), resolve));
    }
    res.end();
  };
}

describe('a key that must not see the thinking', () => {
  for (const [path, lines] of Object.entries(answers)) {
    for (const size of [7, 100_000]) {
      test(`gets a stream of ${path} without it, in pieces of ${size} bytes`, async () => {
        await using upstream = await fakeUpstream(inPieces(text(lines), size));
        await using gateway = await testGateway(upstream, hidden);
        const body = JSON.stringify({ model: 'scripted-plain', logprobs: true });
        const response = await gateway.fetch(path, { method: 'POST', body });
        const received = await response.text();
        assert.doesNotMatch(received, /private|thinking|context/);
        assert.match(received, /Hello/);
        const last = JSON.parse(received.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
        assert.partialDeepStrictEqual(last, { done: true, done_reason: 'stop', eval_count: 7 });
        if (path === '/api/chat') {
          assert.match(received, new RegExp(`"arguments":{"big":${big}}`), 'numbers keep their digits');
          assert.match(received, /"token":"Hello"/, 'the tokens of the answer are shown');
          assert.equal(received.trimEnd().split('\n').length, 3);
        }
        await until('the log line', () => gateway.log.some(({ output_tokens: output }) => output === 7));
      });
    }

    test(`gets a whole answer of ${path} without it`, async () => {
      const whole = Object.assign({}, ...lines, {
        ...(path === '/api/chat'
          ? { message: { role: 'assistant', content: 'Hello', thinking: thought } }
          : { response: 'Hello', thinking: thought }),
        logprobs: [...tokens, { token: 'Hello', logprob: -0.2 }],
      }) as object;
      await using upstream = await fakeUpstream((res) => sendJson(res, 200, { ...head, ...whole }));
      await using gateway = await testGateway(upstream, hidden);
      const body = JSON.stringify({ model: 'scripted-plain', stream: false });
      const response = await gateway.fetch(path, { method: 'POST', body });
      const received = await response.text();
      assert.doesNotMatch(received, /private|thinking|context|logprobs/);
      assert.partialDeepStrictEqual(JSON.parse(received), { done: true, eval_count: 7 });
      assert.match(received, /Hello/);
    });
  }

  test('gets errors, refusals and a stream that breaks as anybody does', async () => {
    let answer: Answer = (res) => sendJson(res, 400, { error: 'registry "thinking" is missing' });
    await using upstream = await fakeUpstream((res, request) => answer(res, request));
    await using gateway = await testGateway(upstream, hidden);
    const ask = async (): Promise<Response> =>
      await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"scripted-plain"}' });
    const refused = await ask();
    assert.deepEqual([refused.status, await refused.json()], [400, { error: 'registry "thinking" is missing' }]);
    const [first] = answers['/api/chat'];
    answer = inPieces(`${text([first])}{"error":"the runner died"}\n`, 1000);
    assert.equal(await (await ask()).text(), '{"error":"the runner died"}\n');
    answer = inPieces(`${text([answers['/api/chat'][3]])}{"message":{"thinking" no JSON\n`, 1000);
    assert.match(
      (await textUntilBroken(await ask())).text,
      /Hello.*\n{"error":"The upstream sent an answer that is not JSON\."}\n$/,
    );
    answer = (res) => void ndjson(res).write(text([answers['/api/chat'][3]]), () => res.socket?.end());
    assert.match((await textUntilBroken(await ask())).text, /Hello.*\n{"error":"The upstream broke the connection/);
  });

  test('does not see it by a rule for the model, whatever the key', async () => {
    await using upstream = await fakeUpstream(inPieces(text(answers['/api/chat']), 1000));
    await using gateway = await testGateway(upstream, { models: [{ match: 'scripted*', hide_thinking: true }] });
    const response = await gateway.fetch('/api/chat', { method: 'POST', body: '{"model":"library/scripted-plain"}' });
    assert.doesNotMatch(await response.text(), /private/);
  });

  for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/api/chat', '/api/generate']) {
    test(`gets an answer of a server with an OpenAI API without it: ${path}`, async () => {
      const pieces = [
        { reasoning_content: thought },
        { reasoning: thought },
        { reasoning_details: [{ text: thought }] },
        { content: 'Hello' },
      ];
      const chunks = [...pieces.map((delta) => chunk(delta)), chunk({}, 'stop')];
      await using upstream = await openaiUpstream(stream(chunks));
      await using gateway = await testGateway(upstream, { ...hidden, upstream: { kind: 'openai', url: upstream.url } });
      for (const streamed of [true, false]) {
        const messages = [{ role: 'user', content: 'hi' }];
        const prompt = path === '/api/generate' ? { prompt: 'hi' } : {};
        const body = JSON.stringify({
          model: 'scripted',
          messages,
          input: 'hi',
          max_tokens: 9,
          ...prompt,
          stream: streamed,
        });
        const response = await gateway.fetch(path, { method: 'POST', body });
        const received = await response.text();
        assert.equal(response.status, 200, received);
        assert.doesNotMatch(received, /private/);
        assert.match(received, /Hello/);
      }
    });
  }

  test('does not see its tokens in the log probabilities of a translated stream', async () => {
    await using upstream = await fakeUpstream(inPieces(text(answers['/api/chat']), 1000));
    await using gateway = await testGateway(upstream, hidden);
    const received = await (await gateway.chat({ stream: true, logprobs: true })).text();
    assert.doesNotMatch(received, /private/);
    assert.match(received, /"token":"Hello"/);
  });
});
