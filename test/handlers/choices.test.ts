import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

suite('an answer with several choices', () => {
  for (const stream of [true, false]) {
    test(`fails when one choice breaks off before the others begin, ${stream ? 'streamed' : 'not streamed'}`, async () => {
      let count = 0;
      await using upstream = await fakeUpstream(async (res) => {
        count += 1;
        if (count === 1) {
          ndjson(res).write(chatLine('Hel'), () => res.socket?.end());
          return;
        }
        await until('the end of the first choice', () => upstream.open <= 1);
        ndjson(res).end(chatLine('lo') + doneLine());
      });
      await using gateway = await testGateway(upstream);
      const response = await gateway.chat({ n: 2, stream });
      const text = await response.text();
      assert.match(text, /upstream_incomplete/);
      assert.doesNotMatch(text, /\[DONE\]/);
      await until('the end of the request', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    });
  }

  test('streams its choices one after the other from an upstream that runs one request at a time', async () => {
    const waiting: (() => void)[] = [];
    let busy = false;
    let received = 0;
    await using upstream = await fakeUpstream(async (res) => {
      if (busy) await new Promise<void>((resolve) => waiting.push(resolve));
      busy = true;
      ndjson(res).write(chatLine('first'));
      await until('the first token at the client', () => received >= waiting.length);
      res.end(doneLine(), () => {
        busy = false;
        waiting.shift()?.();
      });
    });
    await using gateway = await testGateway(upstream);
    const response = await gateway.chat({ n: 2, stream: true });
    let text = '';
    for await (const chunk of (response.body ?? new ReadableStream<Uint8Array>()).pipeThrough(
      new TextDecoderStream(),
    )) {
      text += chunk;
      if (chunk.includes('first')) received += 1;
    }
    assert.match(text, /"index":0,"delta":\{"role".*"index":1,"delta":\{"role".*\[DONE\]\n\n$/s);
  });

  test('is a 400 for 100,000 prompts with 128 choices each, before any of them is built', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const body = JSON.stringify({
      model: 'scripted-plain',
      seed: 1,
      n: 128,
      prompt: Array.from({ length: 100_000 }, () => 'a'),
    });
    const response = await gateway.fetch('/v1/completions', { method: 'POST', body });
    const { error } = (await response.json()) as { error: { param: string } };
    assert.deepEqual([response.status, error.param], [400, 'prompt']);
  });

  test('does not reach an OpenAI-compatible server under another spelling of `n`', async () => {
    await using upstream = await openaiUpstream(saying('yes'));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const messages = [{ role: 'user', content: 'hi' }];
    const body = JSON.stringify({ model: 'scripted', N: 100, messages });
    const response = await gateway.fetch('/v1/chat/completions', { method: 'POST', body });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'N');
    assert.doesNotMatch(upstream.requests[0]?.body ?? '', /100/);
  });
});
