import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';
import { testGateway } from '../../helpers/gateway.ts';
import { saying } from '../../helpers/openai-answers.ts';
import { openaiUpstream } from '../../helpers/upstream.ts';

suite('a response of the Responses API', () => {
  test('is an error when its tool calls are longer than a response may be', async () => {
    const call = await responses(new MemoryTextStore({ entries: 1, bytes: 1e6, ttl: 1e3 })).read(
      { model: 'm', input: 'hi' },
      'tester',
    );
    const encoder = call.encoder({ id: 'resp_1', created: 1, model: 'm', arrivedAt: 0, now: () => 0 });
    const event = {
      type: 'tool-call',
      id: 'c',
      name: 'f',
      arguments: `{"a":"${'x'.repeat(5 * 1024 * 1024)}"}`,
    } as const;
    for (let calls = 0; calls < 3; calls += 1) encoder.write(event, 0);
    assert.throws(() => encoder.write(event, 0), { code: 'upstream_protocol_error' });
  });

  test('lists `truncation` as dropped when the upstream cannot truncate', async () => {
    await using upstream = await openaiUpstream(saying('x'));
    await using gateway = await testGateway(upstream, { upstream: { kind: 'openai' } });
    const body = JSON.stringify({ model: 'scripted', input: 'hi', truncation: 'auto' });
    const response = await gateway.fetch('/v1/responses', { method: 'POST', body });
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'truncation');
  });
});
