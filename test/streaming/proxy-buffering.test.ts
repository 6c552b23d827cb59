import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { streamedBodies } from '../helpers/streamed-bodies.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const streaming: Answer = (res, { url }) => {
  const line = url === '/api/generate' ? { message: undefined, response: '' } : {};
  ndjson(res).end(url === '/api/pull' ? '{"status":"success"}\n' : chatLine('hi', line) + doneLine(line));
};

suite('a reverse proxy is asked not to buffer a stream', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    for (const [path, body] of Object.entries(streamedBodies)) {
      if (kind === 'openai' && path === '/api/pull') continue;
      for (const portable of [false, true]) {
        test(`${path} in front of ${kind}, ${portable ? 'as a web stream' : "by Node's response"}`, async () => {
          await using upstream = await (kind === 'ollama' ? fakeUpstream(streaming) : openaiUpstream(saying('hi')));
          await using gateway = await testGateway(upstream, { portable, upstream: { kind } });
          const model = kind === 'ollama' ? 'scripted-plain' : 'scripted';
          const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ model, ...body }) });
          assert.equal(response.status, 200);
          await response.text();
          assert.equal(response.headers.get('x-accel-buffering'), 'no');
        });
      }
    }
  }

  test('also when the response starts before the answer', async () => {
    const late: Answer = async (res, request) => {
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
      await saying('hi')(res, request);
    };
    await using upstream = await openaiUpstream(late);
    await using gateway = await testGateway(upstream, { timeouts: { silence: '20ms' }, upstream: { kind: 'openai' } });
    const response = await gateway.chat({ model: 'scripted', stream: true });
    assert.match(await response.text(), /^: waiting/);
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
  });

  test('but not for a whole answer, which may be buffered', async () => {
    await using upstream = await fakeUpstream((res) => {
      const body = { embeddings: [[1]], model: 'scripted-plain' };
      sendJson(res, 200, body, { 'content-length': String(JSON.stringify(body).length) });
    });
    await using gateway = await testGateway(upstream);
    const init = { method: 'POST', body: JSON.stringify({ model: 'scripted-plain', input: 'x' }) };
    for (const path of ['/api/embed', '/v1/embeddings']) {
      const response = await gateway.fetch(path, init);
      assert.deepEqual([response.status, response.headers.get('x-accel-buffering')], [200, null]);
      await response.text();
    }
  });
});
