import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent } from '../../src/chat/event.ts';
import { mendArguments } from '../../src/calls/mend-arguments.ts';
import { ToolNames } from '../../src/calls/tool-names.ts';
import { mendCalls } from '../../src/calls/mend-calls.ts';

const raw = String.raw;

const mended: readonly (readonly [what: string, text: string, object: object])[] = [
  ['a comma too many', '{"a": [1, 2,], "b": "c",}', { a: [1, 2], b: 'c' }],
  ['a missing brace', '{"a": {"b": "c"}', { a: { b: 'c' } }],
  ['missing brackets', '{"a": [{"b": "c"', { a: [{ b: 'c' }] }],
  ['a brace too many', '{"a": 1}}', { a: 1 }],
  ['a missing comma', '{"a": "b" "c": "d"}', { a: 'b', c: 'd' }],
  ['single quotes', "{'a': 'b'}", { a: 'b' }],
  ['quotes within single quotes', `{'a': 'say "hi"'}`, { a: 'say "hi"' }],
  ['names without quotes', '{a: 1}', { a: 1 }],
  ["Python's constants", '{"a": True, "b": None}', { a: true, b: null }],
  ['a code fence', '```json\n{"a": 1}\n```', { a: 1 }],
  ['a code fence without an end', '```\n{"a": 1,}', { a: 1 }],
  ['a code fence and a missing brace', '```json\n{"a": 1,\n```', { a: 1 }],
  ['an object as a string', raw`"{\"a\": \"b\"}"`, { a: 'b' }],
  ['an object as a string in a string', JSON.stringify(JSON.stringify('{"a":1}')), { a: 1 }],
  ['a broken object as a string', JSON.stringify('{"a":1,}'), { a: 1 }],
  ['escaped quotes', raw`{\"a\": \"b\"}`, { a: 'b' }],
  ['line breaks in a string', '{"a": "b\n\tc"}', { a: 'b\n\tc' }],
  ['backslashes that escape nothing', raw`{"a": "\d+\.txt", "b": "C:\Work"}`, { a: raw`\d+\.txt`, b: raw`C:\Work` }],
  ['an escaped apostrophe', raw`{"a": "it\'s",}`, { a: "it's" }],
  ['comments', '{"a": 1 // one\n}', { a: 1 }],
  ['an empty object and a comma', '{},', {}],
];

const kept: readonly (readonly [what: string, text: string])[] = [
  ['JSON', '{"a": 1}'],
  ['JSON of a list', '[{"a": 1}]'],
  ['JSON of a string', '"pond"'],
  ['prose', 'the reed by the pond'],
  ['prose with a colon', 'place: pond'],
  ['prose with an object', 'Sure! {"a": 1}'],
  ['two objects', '{"a": 1}{"b": 2}'],
  ['a string that breaks off', '{"a": "ree'],
  ['a string that breaks off after a bracket', '{"code": "function () { }'],
  ['a name that breaks off', '{"a": 1, "b'],
  ['a name without a value', '{"a": 1, "b"'],
  ['a colon without a value', '{"a":'],
  ['a brace alone', '{'],
  ['a list that breaks off', '[1, 2'],
  ['nothing', ''],
  ['deep nesting', '{"a":'.repeat(6_000)],
  ['more than 32 KiB', `{"a": "${'b'.repeat(33_000)}",}`],
];

suite('arguments of a tool call', () => {
  for (const [what, text, object] of mended) {
    test(`${what} is mended`, () => {
      assert.deepEqual(JSON.parse(mendArguments(text) ?? 'null'), object);
    });
  }

  for (const [what, text] of kept) {
    test(`${what} stays`, () => {
      assert.equal(mendArguments(text), undefined);
    });
  }

  test('numbers keep all digits', () => {
    assert.equal(mendArguments('{"a": 9007199254740993,}'), '{"a": 9007199254740993}');
  });

  test('stay when a required one is missing', () => {
    const tool = { name: 'f', parameters: { type: 'object', required: ['path', 'content'] } };
    const events: ChatEvent[] = [];
    let count = 0;
    const emit = mendCalls(
      (event) => events.push(event),
      new ToolNames([tool]),
      () => (count += 1),
    );
    const call = { type: 'tool-call', id: 'call_1', name: 'f' } as const;
    emit({ ...call, arguments: '{"path": "a"' });
    emit({ ...call, arguments: '{"path": "a", "content": "b"' });
    emit({ ...call, name: 'unknown', arguments: '{"path": "a"' });
    assert.deepEqual(
      events.map((event) => event.type === 'tool-call' && event.arguments),
      ['{"path": "a"', '{"path": "a", "content": "b"}', '{"path": "a"}'],
    );
    assert.equal(count, 2);
  });
});
