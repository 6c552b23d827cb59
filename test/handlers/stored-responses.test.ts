import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

const keys = ['alice', 'bob'].map((name) => ({ name, hash: hashSecret(name) }));

async function ask(gateway: TestGateway, key: string, body: object, headers: object = {}): Promise<Response> {
  return await gateway.fetch('/v1/responses', {
    method: 'POST',
    body: JSON.stringify({ model: 'scripted-plain', ...body }),
    headers: { authorization: `Bearer ${key}`, ...headers },
  });
}

async function idOf(response: Response): Promise<string> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return /"id":"(resp_[^"]+)"/.exec(text)?.[1] ?? '';
}

async function status(gateway: TestGateway, key: string, path: string, method = 'GET'): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await gateway.fetch(`/v1/responses${path}`, { method, headers })).status;
}

describe('stored responses', () => {
  for (const bounds of [{ entries: 40 }, { bytes: '64KiB' }]) {
    test(`of one key stay, however many another key stores: ${JSON.stringify(bounds)}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { keys, responses: bounds });
      const id = await idOf(await ask(gateway, 'alice', { input: 'one' }));
      const input = 'entries' in bounds ? 'two' : 'x'.repeat(10_000);
      let last = '';
      for (let count = 0; count < 60; count += 1) last = await idOf(await ask(gateway, 'bob', { input }));
      assert.equal(await status(gateway, 'alice', `/${id}`), 200);
      assert.equal(await status(gateway, 'bob', `/${last}`), 200, 'the newest one of the other key is there too');
      assert.equal(await status(gateway, 'bob', `/${id}`), 404);
      assert.equal(await status(gateway, 'bob', `/${id}`, 'DELETE'), 404);
      assert.equal((await ask(gateway, 'bob', { input: 'go on', previous_response_id: id })).status, 400);
      assert.equal((await ask(gateway, 'alice', { input: 'go on', previous_response_id: id })).status, 200);
    });
  }

  for (const [access, key] of [
    ['open', ''],
    ['keys', 'alice'],
  ] as const) {
    for (const stream of [false, true]) {
      test(`have ids that no client chooses: access ${access}, ${stream ? 'streamed' : 'whole'}`, async () => {
        await using upstream = await fakeUpstream(plainAnswer());
        await using gateway = await testGateway(upstream, { access, keys });
        const chosen = { 'x-request-id': 'resp_heron' };
        const ids: string[] = [];
        for (const input of ['the first question', 'another question']) {
          const response = await ask(gateway, key, { input, stream }, chosen);
          assert.equal(response.headers.get('x-request-id'), 'resp_heron');
          ids.push(await idOf(response));
        }
        assert.match(ids.join(' '), /^resp_[0-9a-f]{48} resp_[0-9a-f]{48}$/);
        assert.notEqual(ids[0], ids[1]);
        for (const path of ['/resp_heron', '/resp_heron/input_items']) {
          assert.equal(await status(gateway, key, path), 404);
        }
        assert.equal(await status(gateway, key, '/resp_heron', 'DELETE'), 404);
        for (const id of ids) assert.equal(await status(gateway, key, `/${id}/input_items`), 200);
        assert.ok(gateway.log.some(({ request_id: id }) => id === 'resp_heron'));
      });
    }
  }

  test('have the id of their request if the client sends none', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { keys });
    const response = await ask(gateway, 'alice', { input: 'one' });
    const id = response.headers.get('x-request-id');
    assert.match(id ?? '', /^resp_[0-9a-f]{32}$/);
    assert.equal(await idOf(response), id);
  });

  test('without keys, are there for those who know their id, and are not listed', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { access: 'open', keys });
    const id = await idOf(await ask(gateway, 'anything', { input: 'one' }));
    assert.equal(await status(gateway, 'something else', `/${id}`), 200);
    assert.equal(await status(gateway, 'alice', `/${id}`), 404, 'a key has its own');
    assert.ok((await status(gateway, '', '')) >= 404);
    const guess = `resp_${'0'.repeat(32)}`;
    assert.equal(await status(gateway, '', `/${guess}`, 'DELETE'), 404);
  });
});
