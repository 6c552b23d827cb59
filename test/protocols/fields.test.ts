import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DroppedFields } from '../../src/protocols/dropped-fields.ts';
import {
  array,
  boolean,
  defined,
  integer,
  number,
  object,
  oneOf,
  readObjectBody,
  required,
  string,
} from '../../src/protocols/fields.ts';

suite('a reader of a request field', () => {
  const readers: Record<string, (value: unknown) => unknown> = {
    object: (value) => object(value, 'a.b'),
    array: (value) => array(value, 'a.b'),
    string: (value) => string(value, 'a.b'),
    boolean: (value) => boolean(value, 'a.b'),
    number: (value) => number(value, 'a.b', 0, 1),
    integer: (value) => integer(value, 'a.b', 1, 9),
    oneOf: (value) => oneOf(value, 'a.b', ['x', 'y']),
  };
  const valid: Record<string, unknown[]> = {
    object: [{}, { c: 1 }],
    array: [[], [1]],
    string: ['', 'x'],
    boolean: [true, false],
    number: [0, 0.5, 1],
    integer: [1, 9],
    oneOf: ['x', 'y'],
  };
  const invalid: Record<string, unknown[]> = {
    object: [[1], 'x'],
    array: [{}, 'x'],
    string: [5, {}],
    boolean: ['yes', 1],
    number: ['one', true, {}],
    integer: ['one', true, []],
    oneOf: ['z', 5],
  };
  for (const [name, read] of Object.entries(readers)) {
    test(`${name} returns a valid value, and undefined for an absent one`, () => {
      for (const value of valid[name] ?? assert.fail()) assert.equal(read(value), value);
      for (const absent of [undefined, null]) assert.equal(read(absent), undefined);
    });

    test(`${name} throws a 400 with the path as its param for any other value`, () => {
      for (const value of invalid[name] ?? assert.fail()) {
        assert.throws(() => read(value), {
          code: 'invalid_value',
          status: 400,
          param: 'a.b',
          message: /^a\.b must be/,
        });
      }
    });
  }

  test('required passes limits on, and throws a 400 for an absent value', () => {
    assert.equal(required(integer, 5, 'a', 1, 9), 5);
    assert.equal(required(integer, 10, 'a', 1, 9), 9);
    assert.throws(() => required(string, null, 'a'), { param: 'a', status: 400, message: 'a is required.' });
  });

  test('readObjectBody refuses anything but an object', () => {
    assert.deepEqual(readObjectBody({ a: 1 }), { a: 1 });
    for (const body of [null, [], 'x', 5]) assert.throws(() => readObjectBody(body), { status: 400, param: undefined });
  });

  test('text that spells a number or a boolean is one, and empty values are absent', () => {
    assert.deepEqual([number('0.7', 'a'), number(' 3 ', 'a'), integer('-2', 'a')], [0.7, 3, -2]);
    assert.deepEqual([boolean('true', 'a'), boolean('False', 'a')], [true, false]);
    for (const absent of [number('', 'a'), number(' ', 'a'), boolean('', 'a'), object([], 'a'), object('', 'a')]) {
      assert.equal(absent, undefined);
    }
    assert.equal(array('', 'a'), undefined);
  });

  test('a number out of range becomes the nearest one, and a fraction of a whole number is cut off', () => {
    assert.deepEqual([number(-1, 'a', 0, 1), number(1.5, 'a', 0, 1), number(Infinity, 'a')], [0, 1, 1e6]);
    assert.deepEqual([integer(1.9, 'a'), integer(-1.9, 'a'), integer(0, 'a', 1)], [1, -1, 1]);
  });

  test('defined removes only undefined fields', () => {
    const fields = defined({ a: undefined, b: null, c: 0, d: '' });
    assert.deepEqual(fields, { b: null, c: 0, d: '' });
    assert.deepEqual(Object.keys(fields), ['b', 'c', 'd']);
  });
});

suite('DroppedFields', () => {
  test('lists each field once, in the order in which it was added', () => {
    const dropped = new DroppedFields();
    for (const field of ['b', 'a', 'b']) dropped.add(field, 1);
    assert.deepEqual([...dropped.names], ['b', 'a']);
  });

  test('leaves out fields with a neutral value', () => {
    const dropped = new DroppedFields();
    for (const value of [undefined, null, false, '', 'auto', 'default', {}, []]) dropped.add('a', value);
    assert.deepEqual([...dropped.names], []);
    for (const [index, value] of [true, 0, 'x', { a: null }, [null]].entries()) dropped.add(`${index}`, value);
    assert.equal(dropped.names.size, 5);
  });

  test('names an unknown field without characters that have no place in a header', () => {
    const dropped = new DroppedFields();
    for (const name of ['a-b', 'a b', 'x'.repeat(65)]) dropped.addUnknown('messages.', name);
    assert.deepEqual([...dropped.names], ['messages.a-b', 'messages.other']);
  });
});
