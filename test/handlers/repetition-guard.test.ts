import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { textUntilBroken } from '../helpers/broken.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk } from '../helpers/openai-answers.ts';
import { type Answer, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** Repeats itself until the connection is closed. */
const endless =
  (line: string): Answer =>
  (res) => {
    const write = (): void => {
      if (!res.destroyed) res.write(line, () => setImmediate(write));
    };
    write();
  };
const ollama = endless(chatLine('0000'));
const openai: Answer = (res, request) => {
  res.setHeader('content-type', 'text/event-stream');
  void endless(`data: ${JSON.stringify(chunk({ content: '0000' }))}\n\n`)(res, request);
};
const schema = { type: 'object', properties: { n: { type: 'number' } } };
const format = { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } };
const tools = { tools: [{ type: 'function', function: { name: 'f', parameters: schema } }], tool_choice: 'required' };
const ended = 'llamaduct_repetitions_ended_total{model="scripted-plain:latest",upstream="ollama"}';

suite('a model that repeats itself', () => {
  for (const [what, body] of [
    ['a schema', format],
    ['any JSON', { response_format: { type: 'json_object' } }],
    ['a tool that has to be called', tools],
  ] as const) {
    for (const stream of [true, false]) {
      test(`is stopped with ${what}, ${stream ? 'streamed' : 'whole'}`, async () => {
        await using upstream = await fakeUpstream(ollama);
        await using gateway = await testGateway(upstream);
        const response = await gateway.chat({ ...body, stream });
        assert.match(await response.text(), /"finish_reason":"length"/);
        await until('the end of the upstream request', () => upstream.open === 0);
        assert.equal(await gateway.metric(ended), 1);
      });
    }
  }

  test('is stopped at a server with an OpenAI API', async () => {
    await using upstream = await openaiUpstream(openai, ['scripted-plain']);
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai', url: upstream.url } });
    const body = JSON.stringify({ model: 'scripted-plain', input: 'hi', text: { format: { type: 'json_object' } } });
    const response = await gateway.fetch('/v1/responses', { method: 'POST', body });
    assert.match(await response.text(), /"status":"incomplete".*"reason":"max_output_tokens"/);
  });

  for (const [path, format, end] of [
    ['/api/chat', schema, /\n\{"model":"scripted-plain[^\n]*"done":true,"done_reason":"length"\}\n$/],
    ['/api/chat', 'json', /\n\{"model":"scripted-plain[^\n]*"done":true,"done_reason":"length"\}\n$/],
  ] as const) {
    test(`is stopped on ${path} with the format ${JSON.stringify(format)}`, async () => {
      await using upstream = await fakeUpstream((res, request) => void ollama(ndjson(res), request));
      await using gateway = await testGateway(upstream);
      const body = JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], format });
      const { text, complete } = await textUntilBroken(await gateway.fetch(path, { method: 'POST', body }));
      assert.ok(complete);
      assert.match(text, end);
      await until('the end of the upstream request', () => upstream.open === 0);
      assert.equal(await gateway.metric(ended), 1);
    });
  }

  test('is stopped in a stream of a server with an OpenAI API that is passed through', async () => {
    await using upstream = await openaiUpstream(openai, ['scripted-plain']);
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai', url: upstream.url } });
    const response = await gateway.chat({ ...format, stream: true });
    assert.match(await response.text(), /"finish_reason":"length"\}\]\}\n\ndata: \[DONE\]\n\n$/);
    await until('the end of the upstream request', () => upstream.open === 0);
  });

  test('is stopped in plain text only with repetition_guard: always', async () => {
    const repeats = 1_500;
    const finite: Answer = (res) => void ndjson(res).end(chatLine('0000').repeat(repeats) + '{"done":true}\n');
    await using upstream = await fakeUpstream(finite);
    await using gateway = await testGateway(upstream);
    assert.match(await (await gateway.chat()).text(), new RegExp(`"0{${4 * repeats}}".*"finish_reason":"stop"`));
    const models = [{ match: '*', repetition_guard: 'always' }];
    await using watched = await testGateway(upstream, { models });
    assert.match(await (await watched.chat()).text(), /"finish_reason":"length"/);
  });

  test('is not stopped with repetition_guard: off', async () => {
    const finite: Answer = (res) => void ndjson(res).end(chatLine('0000').repeat(1_500) + '{"done":true}\n');
    await using upstream = await fakeUpstream(finite);
    await using gateway = await testGateway(upstream, { models: [{ match: '*', repetition_guard: 'off' }] });
    assert.match(await (await gateway.chat(format)).text(), /"finish_reason":"stop"/);
  });
});
