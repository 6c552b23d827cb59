import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { json } from '../helpers/answers.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { fastRetries, postsTo, preferFirst, upstreamsAt } from './upstreams.ts';

const schema = { type: 'object', properties: { day: { type: 'string' } } };
const tools = [{ type: 'function', function: { name: 'look', parameters: schema } }];

const crash = json(500, { error: 'an error was encountered while running the model: unexpected EOF' });
const badCall = json(500, { error: "error parsing tool call: raw='{', err=unexpected end of JSON input" });

async function refused(gateway: TestGateway, body: object = {}): Promise<Response> {
  const response = await gateway.chat(body);
  assert.ok([400, 422, 502].includes(response.status), String(response.status));
  assert.equal(response.headers.get('x-should-retry'), 'false');
  assert.equal(response.headers.get('retry-after'), null);
  await response.text();
  return response;
}

const posts = (servers: readonly FakeUpstream[]): number[] => servers.map(postsTo);

suite('a request that breaks a server', () => {
  test('is sent to one other server, and to none after that', async () => {
    await using first = await fakeUpstream(crash);
    await using second = await fakeUpstream(crash);
    await using third = await fakeUpstream(crash);
    await using gateway = await testGateway(upstreamsAt([first, second, third]), fastRetries);
    await refused(gateway);
    assert.equal(postsTo(first) + postsTo(second) + postsTo(third), 2);
    assert.ok(Math.max(...posts([first, second, third])) === 1, 'one server was sent it twice');
  });

  test('is served by the other server if that does not break', async () => {
    await using bad = await fakeUpstream(crash);
    await using good = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(preferFirst([bad, good]), fastRetries);
    const response = await gateway.chat();
    assert.equal(response.status, 200);
    await response.text();
    assert.deepEqual(posts([bad, good]), [1, 1]);
  });

  test('is not sent to the same server again', async () => {
    await using only = await fakeUpstream(crash);
    await using gateway = await testGateway(only, fastRetries);
    await refused(gateway);
    assert.equal(postsTo(only), 1);
  });

  for (const [what, body] of [
    ['a schema', { response_format: { type: 'json_schema', json_schema: { name: 'day', schema } } }],
    ['a tool that must be called', { tools, tool_choice: 'required' }],
  ] as const) {
    test(`is sent once if it has ${what}`, async () => {
      await using first = await fakeUpstream(crash);
      await using second = await fakeUpstream(crash);
      await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
      await refused(gateway, body);
      assert.equal(postsTo(first) + postsTo(second), 1);
    });
  }

  test('is sent once in the API of Ollama if it has a schema', async () => {
    await using first = await fakeUpstream(crash);
    await using second = await fakeUpstream(crash);
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const body = JSON.stringify({
      model: 'scripted-plain',
      messages: [{ role: 'user', content: 'hi' }],
      format: schema,
    });
    const response = await gateway.fetch('/api/chat', { method: 'POST', body });
    assert.equal(response.headers.get('x-should-retry'), 'false');
    await response.text();
    assert.equal(postsTo(first) + postsTo(second), 1);
  });

  test('is sent once if the fault is in what it makes of the model', async () => {
    await using first = await fakeUpstream(badCall);
    await using second = await fakeUpstream(badCall);
    await using gateway = await testGateway(upstreamsAt([first, second]), fastRetries);
    const response = await refused(gateway, { tools });
    assert.equal(response.status, 422);
    assert.equal(postsTo(first) + postsTo(second), 1);
  });
});
