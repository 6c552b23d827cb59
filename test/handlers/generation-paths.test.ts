import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generation } from '../protocols/upstream-bodies.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

test('a POST reaches every path that generates, even beside a path with an id', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  for (const { path } of generation) {
    const response = await gateway.fetch(path, { method: 'POST', body: '{}' });
    await response.text();
    assert.notEqual(response.status, 405, path);
  }
});
