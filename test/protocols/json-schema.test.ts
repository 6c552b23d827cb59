import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readSchema } from '../../src/protocols/json-schema.ts';
import { readFormatObject } from '../../src/protocols/response-format.ts';

suite('a JSON Schema', () => {
  test('of a current draft stays the same object', () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: ['string', 'null'], default: null, enum: ['x', null] },
        b: { items: { type: 'number' } },
      },
      required: ['a'],
      additionalProperties: false,
      anyOf: [{ minimum: 1, exclusiveMaximum: 3 }, true],
    };
    assert.equal(readSchema(schema, 'schema'), schema);
  });

  const cases: [name: string, schema: unknown, expected: unknown][] = [
    ['an absent one', null, undefined],
    ["PHP's empty array", [], {}],
    ['true', true, {}],
    [
      'exclusive bounds of draft 04',
      { properties: { a: { minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false } } },
      { properties: { a: { exclusiveMinimum: 0, maximum: 9 } } },
    ],
    ['an exclusive bound of nothing', { exclusiveMaximum: true }, {}],
    [
      'required of draft 03',
      { properties: { a: { type: 'string', required: true }, b: { required: false } }, required: ['c'] },
      { properties: { a: { type: 'string' }, b: {} }, required: ['c', 'a'] },
    ],
    [
      "PHP's empty arrays in it",
      { properties: [], additionalProperties: [], anyOf: [], $defs: { a: [] }, items: [], required: {} },
      { properties: {}, additionalProperties: {}, $defs: { a: {} }, items: {}, required: [] },
    ],
    [
      'null for absent keywords',
      { type: 'object', title: null, required: null, const: null },
      { type: 'object', const: null },
    ],
    [
      'no changes in values',
      {
        default: { properties: [] },
        enum: [{ exclusiveMinimum: true }],
        items: { exclusiveMinimum: true, minimum: 1 },
      },
      { default: { properties: [] }, enum: [{ exclusiveMinimum: true }], items: { exclusiveMinimum: 1 } },
    ],
    [
      'a property with the name of a keyword',
      { properties: { exclusiveMinimum: { type: 'boolean' }, required: [] } },
      { properties: { exclusiveMinimum: { type: 'boolean' }, required: {} } },
    ],
  ];
  for (const [name, schema, expected] of cases) {
    test(`is read with ${name}`, () => assert.deepEqual(readSchema(schema, 'schema'), expected));
  }

  for (const schema of [7, 'x', [1], false]) {
    test(`is refused when it is ${JSON.stringify(schema)}`, () =>
      assert.throws(() => readSchema(schema, 'tools[0].parameters'), { status: 400, param: 'tools[0].parameters' }));
  }

  test('with a property named __proto__ keeps it', () => {
    const schema: unknown = JSON.parse('{"properties":{"__proto__":{"minimum":1,"exclusiveMinimum":true}}}');
    assert.equal(JSON.stringify(readSchema(schema, 's')), '{"properties":{"__proto__":{"exclusiveMinimum":1}}}');
  });
});

suite('the format of an answer', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } };
  const forms: [format: object, expected: unknown][] = [
    [{}, undefined],
    [{ type: 'text' }, undefined],
    [{ type: '' }, undefined],
    [{ type: 'json_object' }, 'json'],
    [{ type: 'json_object', schema: null }, 'json'],
    [{ type: 'json' }, 'json'],
    [{ type: 'json_schema', json_schema: { name: 'n', schema } }, schema],
    [{ type: 'json_schema', json_schema: { schema } }, schema],
    [{ type: 'json_schema', json_schema: schema }, schema],
    [{ type: 'json_schema', schema }, schema],
    [{ type: 'json_schema', name: 'n', schema }, schema],
    [{ type: 'json_schema', json_schema: { schema: [] } }, {}],
    [{ type: 'json_object', schema }, schema],
    [{ type: 'json_object', json_schema: { schema } }, schema],
    [{ type: 'json', value: schema }, schema],
    [{ json_schema: { schema } }, schema],
    [schema, schema],
    [{ anyOf: [schema] }, { anyOf: [schema] }],
  ];
  for (const [format, expected] of forms) {
    test(`is read from ${JSON.stringify(format)}`, () =>
      assert.deepEqual(readFormatObject(format as never, 'f', 'f.schema'), expected));
  }

  const refused: [param: string, format: object][] = [
    ['f.type', { type: 'xml' }],
    ['f.type', { strict: true }],
    ['f.type', { type: 7 }],
    ['f.schema', { type: 'json_schema' }],
    ['f.schema', { type: 'json_schema', json_schema: { name: 'n' } }],
    ['f.json_schema.schema', { type: 'json_schema', json_schema: { schema: 'x' } }],
  ];
  for (const [param, format] of refused) {
    test(`is refused for ${param} in ${JSON.stringify(format)}`, () =>
      assert.throws(() => readFormatObject(format as never, 'f', 'f.schema'), { status: 400, param }));
  }
});
