import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { camelCased } from '../../../src/protocols/google/camel-case.ts';
import { generateContentFields } from '../../../src/protocols/google/generate-content/fields.ts';
import { readEmbedContent } from '../../../src/protocols/google/embed-content/request.ts';
import { readGenerateContent } from '../../../src/protocols/google/generate-content/request.ts';
import { secret, testGateway } from '../../helpers/gateway.ts';
import { plainAnswer } from '../../helpers/ollama-answers.ts';
import { fakeUpstream } from '../../helpers/upstream.ts';

const hello = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] };

interface GoogleError {
  readonly error: { readonly code: number; readonly status: string; readonly message: string };
}

suite("a target of Gemini's API", () => {
  for (const target of [
    '/v1beta/models/scripted-plain:predict',
    '/v1alpha/models/scripted-plain:batchGenerateContent',
    '/v1/models/scripted-plain:predict',
    '/v1beta/models/scripted-plain:generatecontent',
    '/v1beta/models/scripted-plain',
    '/v1beta/models/:generateContent',
    '/v1beta/models/a/b%3Apredict',
  ]) {
    test(`${target} is a 404 that names the methods, and no 405 about GET`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream);
      const headers = { 'x-goog-api-key': secret };
      const response = await gateway.fetch(target, { method: 'POST', body: JSON.stringify(hello), headers });
      assert.equal(response.status, 404);
      const { error } = (await response.json()) as GoogleError;
      assert.deepEqual([error.code, error.status], [404, 'NOT_FOUND']);
      assert.match(error.message, /generateContent, streamGenerateContent, countTokens, embedContent/);
      assert.deepEqual(upstream.requests, []);
    });
  }

  test('needs a key before it says anything', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const response = await fetch(`${gateway.url}/v1beta/models/x:predict`, { method: 'POST', body: '{}' });
    assert.equal(response.status, 401);
    await response.body?.cancel();
  });

  test('may have an encoded colon, and any case of alt=sse', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const target of ['scripted-plain%3AgenerateContent', 'scripted-plain%3alatest:generateContent']) {
      const init = { method: 'POST', body: JSON.stringify(hello) };
      const response = await gateway.fetch(`/v1beta/models/${target}`, init);
      assert.equal(response.status, 200, target);
      await response.body?.cancel();
    }
    const asked = upstream.requests.map(({ body }) => (JSON.parse(body) as { model: string }).model);
    assert.deepEqual(asked, ['scripted-plain', 'scripted-plain:latest']);
    for (const alt of ['sse', 'SSE']) {
      const target = `/v1beta/models/scripted-plain:streamGenerateContent?alt=${alt}`;
      const response = await gateway.fetch(target, { method: 'POST', body: JSON.stringify(hello) });
      assert.match(await response.text(), /^data: /);
    }
  });
});

suite('snake case', () => {
  test('counts if the other spelling is null, in any order', () => {
    const config = { functionCallingConfig: { mode: 'NONE' } };
    for (const body of [
      { toolConfig: null, tool_config: config },
      { tool_config: config, toolConfig: null },
    ]) {
      assert.deepEqual(camelCased(generateContentFields, body), { toolConfig: config });
    }
  });

  test('leaves a field with the name of the prototype what it is: unknown', () => {
    const body = JSON.parse('{"__proto__":{"cached_content":"x"},"contents":"hi"}') as object;
    const read = camelCased(generateContentFields, { ...body });
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
    assert.deepEqual(Object.keys(read), ['__proto__', 'contents']);
  });
});

suite('a part that stands for a content', () => {
  const image = { mime_type: 'image/png', data: 'iVBORw0KGgo=' };

  test('is read in snake case too, and is not named as dropped', () => {
    const body = { model: 'm', contents: [{ text: 'hi' }, { inline_data: image }], system_instruction: { text: 's' } };
    const { requests, dropped } = readGenerateContent(body);
    assert.deepEqual(dropped, []);
    assert.partialDeepStrictEqual(requests[0].messages, [
      { role: 'system', text: 's' },
      { role: 'user', text: 'hi' },
      { role: 'user', images: [{ base64: image.data }] },
    ]);
    assert.deepEqual(readEmbedContent({ model: 'm', content: { text: 'hi' } }).dropped, []);
  });

  test('is named beside parts, which it does not join', () => {
    const contents = [{ role: 'user', parts: [{ text: 'hi' }], text: 'lost' }];
    assert.deepEqual(readGenerateContent({ model: 'm', contents }).dropped, ['contents.text']);
  });
});
