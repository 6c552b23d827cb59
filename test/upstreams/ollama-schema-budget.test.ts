import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

type Json = Readonly<Record<string, unknown>>;

interface Outcome {
  readonly status: number;
  readonly error: { readonly message: string; readonly param: string } | undefined;
  /** What the upstream received in relation to what the client sent. */
  readonly growth: number;
}

async function ask(body: Json, path = '/v1/chat/completions'): Promise<Outcome> {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const messages = [{ role: 'user', content: 'hi' }];
  const sent = JSON.stringify({ model: 'scripted-plain:latest', messages, max_tokens: 9, ...body });
  const response = await gateway.fetch(path, { method: 'POST', body: sent });
  const { error } = (await response.json()) as Pick<Outcome, 'error'>;
  const received = upstream.requests.reduce((longest, request) => Math.max(longest, request.body.length), 0);
  return { status: response.status, error, growth: received / sent.length };
}

function functions(count: number, parameters: Json): Json[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'function',
    function: { name: `f${index}`, parameters },
  }));
}

/** Definitions that each refer twice to the next. */
function doubling(levels: number): Json {
  const names = Array.from({ length: levels }, (_, level) => level);
  const definitions = names.map((level) => {
    const next = { $ref: `#/$defs/d${level + 1}` };
    return [`d${level}`, { type: 'object', properties: { a: next, b: next } }];
  });
  return { $defs: { ...Object.fromEntries(definitions), [`d${levels}`]: { type: 'string' } }, $ref: '#/$defs/d0' };
}

/** `allOf` within `allOf`. Each level copies all properties sixteen times. */
function mergedAgain(properties: number, levels: number): Json {
  const names = Array.from({ length: properties }, (_, index) => [`p${index}`, {}]);
  let schema: Json = { properties: Object.fromEntries(names) };
  for (let level = 0; level < levels; level += 1) {
    const others = Array.from({ length: 15 }, (_, index) => ({ properties: { [`z${level}_${index}`]: {} } }));
    schema = { allOf: [schema, ...others] };
  }
  return schema;
}

suite('the schemas of one request', { concurrency: true }, () => {
  test('are refused together when their patterns are too long', async () => {
    const pattern = `^${'.'.repeat(98)}$`;
    const parameters = { properties: { a: { items: { anyOf: Array.from({ length: 20 }, () => ({ pattern })) } } } };
    const { status, error } = await ask({ tools: functions(51, parameters) });
    assert.deepEqual([status, error?.param], [400, 'tools']);
    assert.match(error?.message ?? '', /patterns of more than 100000 characters/);
    assert.equal((await ask({ tools: functions(50, parameters) })).status, 200);
  });

  test('are refused together when references in them would add too much', async () => {
    const { status, error, growth } = await ask({ tools: functions(50, doubling(30)) });
    assert.equal(status, 400);
    assert.equal(error?.param, 'tools');
    assert.match(error.message, /become too long/);
    assert.equal(growth, 0);
  });

  test('are refused when allOf merges too much', async () => {
    const { status, error } = await ask({ tools: functions(1, mergedAgain(10_000, 30)) });
    assert.equal(status, 400);
    assert.equal(error?.param, 'tools');
    assert.match(error.message, /too complex/);
  });

  test('are refused when many small tools together merge too much', async () => {
    const { status, error } = await ask({ tools: functions(20, mergedAgain(100, 30)) });
    assert.equal(status, 400);
    assert.match(String(error?.message), /too complex/);
  });

  test('are refused with too many values', async () => {
    const properties = Object.fromEntries(Array.from({ length: 9_000 }, (_, index) => [`p${index}`, {}]));
    const { status, error } = await ask({ tools: functions(6, { properties }) });
    assert.equal(status, 400);
    assert.match(String(error?.message), /more than 50000 values/);
  });

  test('count the response format as well', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'a', schema: doubling(10) } };
    const tools = functions(2, doubling(10));
    assert.equal((await ask({ tools })).status, 200);
    const { status, error } = await ask({ tools: functions(60, doubling(7)), response_format: format });
    assert.equal(status, 400);
    assert.match(String(error?.message), /tools and response_format/);
  });

  test('are refused under the name that the API has for them', async () => {
    const tools = functions(50, {}).map((_, index) => ({ name: `f${index}`, input_schema: doubling(30) }));
    const { status, error } = await ask({ tools }, '/v1/messages');
    assert.equal(status, 400);
    assert.match(String(error?.message), /^The schemas in tools/);
  });

  test('are sent for a hundred tools with shared definitions, at a few times their size', async () => {
    const address = { type: 'object', properties: Object.fromEntries('abcdefgh'.split('').map((p) => [p, {}])) };
    const parameters = {
      type: 'object',
      $defs: { address },
      properties: {
        from: { $ref: '#/$defs/address' },
        to: { allOf: [{ $ref: '#/$defs/address' }, { description: 'The destination.' }] },
        note: { type: 'string', description: 'A text of some length that explains what the note is for.' },
      },
      required: ['from', 'to'],
    };
    const { status, growth } = await ask({ tools: functions(100, parameters) });
    assert.equal(status, 200);
    assert.ok(growth < 3, String(growth));
  });

  test('are translated once for all choices', async () => {
    const tools = functions(2, doubling(9));
    assert.equal((await ask({ tools, n: 8 })).status, 200);
  });
});
