import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { saying } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';

const schema = {
  type: 'object',
  properties: {
    day: { type: 'string', pattern: String.raw`^\d{2}$` },
    note: { type: 'string', maxLength: 65_536, pattern: String.raw`\S` },
  },
};
const safe = {
  type: 'object',
  properties: { day: { type: 'string', pattern: '^[0-9]{2}$' }, note: { type: 'string' } },
};
const format = { type: 'json_schema', json_schema: { name: 'day', schema } };
const messages = [{ role: 'user', content: 'hi' }];
const tools = [{ type: 'function', function: { name: 'look', parameters: schema } }];
/** A number that JSON.parse would change. */
const exact = '9007199254740993';

type Json = Record<string, unknown>;

/** @returns what reached the server, and the header of dropped fields */
async function sent(
  kind: 'ollama' | 'openai',
  path: string,
  body: object,
  settings = {},
): Promise<[Json, string | null]> {
  const start = kind === 'ollama' ? fakeUpstream : openaiUpstream;
  await using upstream = await start(kind === 'ollama' ? plainAnswer() : saying('Hi'), ['scripted-plain']);
  await using gateway = await testGateway(upstream, { ...settings, upstream: { kind, url: upstream.url } });
  const text = JSON.stringify({ model: 'scripted-plain', ...body }).replace('[1]', `[${exact}]`);
  const response = await gateway.fetch(path, { method: 'POST', body: text });
  await response.text();
  const received = upstream.requests.findLast(({ method }) => method === 'POST')?.body ?? '{}';
  return [JSON.parse(received.replace(`[${exact}]`, '[1]')) as Json, response.headers.get('x-llamaduct-dropped')];
}

suite('a schema that crashes the grammar of llama.cpp', () => {
  test('is simplified for Ollama, and what it loses is named', async () => {
    const [body, dropped] = await sent('ollama', '/v1/chat/completions', { messages, response_format: format });
    assert.deepEqual(body['format'], safe);
    assert.equal(dropped, 'response_format.maxLength, response_format.pattern');
  });

  test('is simplified for a tool that has to be called', async () => {
    const [body] = await sent('ollama', '/v1/chat/completions', { messages, tools, tool_choice: 'required' });
    assert.ok(JSON.stringify(body['format']).includes(JSON.stringify(safe.properties.day)));
    assert.doesNotMatch(JSON.stringify(body['format']), /65536|\\\\/);
  });

  test("is simplified on Ollama's API, where the rest stays as it is", async () => {
    const [body, dropped] = await sent('ollama', '/api/chat', { messages, format: schema, other: [1] });
    assert.deepEqual(body, { model: 'scripted-plain', messages, format: safe, other: [1] });
    assert.equal(dropped, 'format.maxLength, format.pattern');
  });

  test('is simplified for a server with an OpenAI API, whose own fields stay', async () => {
    const request = { messages, response_format: format, tools, guided: [1] };
    const [body, dropped] = await sent('openai', '/v1/chat/completions', request);
    assert.deepEqual(body, {
      model: 'scripted-plain',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'day', schema: safe } },
      tools: [{ type: 'function', function: { name: 'look', parameters: safe } }],
      guided: [1],
    });
    assert.equal(dropped, 'response_format.maxLength, response_format.pattern, tools.maxLength, tools.pattern');
  });

  test('is simplified when the request is translated for such a server', async () => {
    const [body, dropped] = await sent('openai', '/v1/responses', {
      input: 'hi',
      text: { format: { type: 'json_schema', name: 'day', schema } },
    });
    assert.deepEqual((body['response_format'] as { json_schema: { schema: unknown } }).json_schema.schema, safe);
    assert.match(dropped ?? '', /text\.format\.schema\.pattern/);
  });

  test('is refused in strict mode if it would lose something', async () => {
    const body = { messages, response_format: format, format: undefined };
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { strict: true });
    const response = await gateway.chat(body);
    assert.equal(response.status, 400);
    assert.match(await response.text(), /response_format\.maxLength/);
    assert.equal(upstream.requests.filter(({ url }) => url === '/api/chat').length, 0);
  });
});
