import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { memberNames, repeatedName } from '../../src/framing/member-names.ts';

function repeated(json: string, fields?: ReadonlySet<string>): readonly string[] | undefined {
  const bytes = Buffer.from(json);
  return repeatedName(bytes, JSON.parse(json), memberNames(bytes), fields);
}

describe('repeatedName', () => {
  for (const [name, json, path] of [
    ['a field', '{"model":"a","model":null}', ['model']],
    ['a field that is escaped once', '{"mod\\u0065l":"a","model":"b"}', ['model']],
    ['a field of an object within', '{"options":{"num_predict":1, "num_predict" :40}}', ['options', 'num_predict']],
    ['a field of an object in an array', '{"a":[{"b":1},{"b":1,"c":[],"b":2}]}', ['a', 'b']],
    ['a field after an object with the same', '{"a":{"b":1},"b":2,"a":3}', ['a']],
    ['__proto__', '{"__proto__":1,"__proto__":2}', ['__proto__']],
    ['a name that is empty', '{"":1,"":2}', ['']],
  ] as const) {
    test(`finds ${name}`, () => assert.deepEqual(repeated(json), path));
  }

  for (const [name, json] of [
    ['the same name in two objects', '{"a":{"a":1},"b":{"a":2},"c":[{"a":1},{"a":2}]}'],
    ['a text that looks like a field', '{"a":"\\"a\\":1","b":"a:a","c":["a","a"]}'],
    ['two spellings of a name', '{"a":1,"A":2}'],
    ['a value without names', '[1,[2,"x:y"],null]'],
  ] as const) {
    test(`finds nothing in ${name}`, () => assert.equal(repeated(json), undefined));
  }

  test('looks for some fields of the outermost object, in any case', () => {
    const fields = new Set(['model']);
    assert.equal(repeated('{"x":1,"x":2,"y":{"model":1,"model":2}}', fields), undefined);
    assert.deepEqual(repeated('{"x":1,"x":2,"MODEL":1,"MODEL":2}', fields), ['MODEL']);
  });

  test('finds exactly the objects that a parser makes smaller', () => {
    // No name has an escape: V8 may read another name then.
    const names = fc.constantFrom('a', 'b', 'c', ':', '{', '}', 'é', '__proto__');
    const { value } = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('1', '"a:b"', '"\\""', 'null'),
        tie('object'),
        tie('array'),
      ),
      object: fc
        .array(fc.tuple(names, tie('value')), { maxLength: 4 })
        .map((members) => `{${members.map(([name, text]) => `${JSON.stringify(name)} : ${text}`).join(' , ')}}`),
      array: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(' ,')}]`),
    }));
    fc.assert(
      fc.property(value, (json) => {
        const rewritten = JSON.stringify(JSON.parse(json));
        const repeats = rewritten !== json.replaceAll(' ', '');
        assert.equal(repeated(json) !== undefined, repeats, json);
        assert.equal(repeated(rewritten), undefined);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('memberNames', () => {
  test('counts members, and tells escapes in names from those in values', () => {
    for (const [json, count, areEscaped] of [
      ['{}', 0, false],
      ['{"a":"\\n","b":[{"c":"\\":"}]}', 3, false],
      ['{"a":1,"mod\\u0065l":"x"}', 2, true],
      ['{"a":{"b":[{"\\"":1}]}}', 3, true],
      ['"a\\n:"', 0, false],
    ] as const) {
      assert.deepEqual(memberNames(Buffer.from(json)), { count, areEscaped }, json);
    }
  });
});
