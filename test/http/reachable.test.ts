import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientProtocols } from '../../src/protocols/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { openaiUpstream, fakeUpstream } from '../helpers/upstream.ts';

const noStore = {
  get: () => Promise.resolve(undefined),
  put: () => Promise.resolve(),
  append: () => Promise.resolve('absent' as const),
  delete: () => Promise.resolve(false),
};
const { generation, embeddings } = clientProtocols({ reasoning_field: 'reasoning' }, noStore);

for (const kind of ['ollama', 'openai'] as const) {
  test(`every path that takes a request body is reached over ${kind}, also one beside a path with an id`, async () => {
    await using upstream = await (kind === 'ollama' ? fakeUpstream : openaiUpstream)(plainAnswer());
    await using gateway = await testGateway(upstream, { upstream: { kind } });
    for (const { path } of [...generation, ...embeddings]) {
      const { status } = await gateway.fetch(path, { method: 'POST', body: '[]' });
      // Bodies in the API of the server are passed on.
      assert.ok(status === 400 || (status === 200 && path.startsWith('/api/')), `${path}: ${status}`);
    }
  });
}
