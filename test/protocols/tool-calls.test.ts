import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ToolCallReader } from '../../src/protocols/tool-calls.ts';

const long = JSON.stringify({ list: Array.from({ length: 20_001 }, () => 1) });
const deep = `{"a":${'['.repeat(200)}${']'.repeat(200)}}`;

/** No depth is counted after the closing brackets. */
const hostile = `{"a":]],"b":${'['.repeat(200_000)}`;

suite('the arguments of a call in a history', () => {
  const cases: [value: unknown, expected: object][] = [
    [{ a: 1 }, { a: 1 }],
    ['{"a":1}', { a: 1 }],
    ...['', ' ', null, undefined, [], 'null', '[]', '""'].map((value): [unknown, object] => [value, {}]),
    // The beginning of JSON that breaks off.
    ['{"place":"reed","bird":"her', { place: 'reed', bird: 'her' }],
    ['{"a":1,"b":[1,2,{"c":', { a: 1, b: [1, 2, {}] }],
    ['{"a":1} and more', { a: 1 }],
    // JSON within JSON.
    ['"{\\"a\\":1}"', { a: 1 }],
    // Everything else as it is.
    ['{"place": ', { arguments: '{"place": ' }],
    ['place is reed', { arguments: 'place is reed' }],
    ['"reed"', { arguments: 'reed' }],
    ['[1,2]', { arguments: [1, 2] }],
    [[1], { arguments: [1] }],
    [7, { arguments: 7 }],
    ['7', { arguments: 7 }],
    [hostile, { arguments: hostile }],
    [deep, { arguments: deep }],
  ];
  for (const [value, expected] of cases) {
    test(`${JSON.stringify([value]).slice(0, 60)} are read as ${JSON.stringify(expected).slice(0, 60)}`, () => {
      assert.deepEqual(new ToolCallReader().readArguments(value), expected);
    });
  }

  test('do not change a prototype', () => {
    const read = new ToolCallReader().readArguments('{"__proto__":{"x":1},"a":');
    assert.deepEqual(read, { arguments: '{"__proto__":{"x":1},"a":' });
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
  });

  test('are not parsed beyond 100,000 values a request', () => {
    const reader = new ToolCallReader();
    for (let call = 0; call < 4; call += 1) assert.notEqual(reader.readArguments(long)['list'], undefined);
    assert.deepEqual(reader.readArguments(long), { arguments: long });
  });
});

test('calls in a history are read in every form', () => {
  const forms: [value: unknown, expected: object[]][] = [
    [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }, [{ id: 'a', name: 'f' }]],
    [{ id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } }, [{ id: 'a', arguments: { input: 'x' } }]],
    [{ name: 'f', arguments: {} }, [{ id: '', name: 'f', arguments: {} }]],
    [[{}], [{ id: '', name: '', arguments: {} }]],
    [null, []],
    [[null, 'x', 7], []],
    ['x', []],
  ];
  for (const [value, expected] of forms) {
    const calls = new ToolCallReader().readCalls(value);
    assert.equal(calls.length, expected.length);
    assert.partialDeepStrictEqual(calls, expected);
  }
});
