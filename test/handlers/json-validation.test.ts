import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { sendJson } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const schema = { type: 'object', required: ['a'] };
const format = { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } };

suite('the second attempt after an answer that does not match its schema', () => {
  test('ends the second attempts of the other choices when it fails', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      if (count <= 3) ndjson(res).end(chatLine('{}') + doneLine());
      else ndjson(res).write(chatLine('{'));
    });
    await using gateway = await testGateway(upstream, { validate_json: true });
    assert.equal((await gateway.chat({ n: 2, ...format })).status, 502);
    await until('the end of the other attempt', () => upstream.open === 0);
  });

  test("gives the client the upstream's error when it is refused", async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res) => {
      count += 1;
      if (count === 1) ndjson(res).end(chatLine('{}') + doneLine());
      else sendJson(res, 404, { error: "model 'x' not found" });
    });
    await using gateway = await testGateway(upstream, { validate_json: true });
    const response = await gateway.chat(format);
    const { error } = (await response.json()) as { error: { code: string } };
    assert.deepEqual([response.status, error.code], [404, 'model_not_found']);
  });
});
