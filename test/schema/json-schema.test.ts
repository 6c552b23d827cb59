import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { isObject } from '../../src/framing/json.ts';
import { checkSchema, validateAnswer } from '../../src/schema/json-schema.ts';

type Json = Readonly<Record<string, unknown>>;

const param = 'response_format.json_schema.schema';

function fault(schema: Json): string | undefined {
  try {
    checkSchema(schema, param);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.deepEqual([error.code, error.status, error.param], ['invalid_value', 400, param]);
    return error.message;
  }
}

/** Schemas that each refer twice to the next one, and the last one to the first. */
const doubling = Object.fromEntries(
  Array.from({ length: 40 }, (_, at) => {
    const next = { $ref: `#/$defs/d${(at + 1) % 40}` };
    return [`d${at}`, { allOf: [next, next] }];
  }),
);

/** Keywords with arbitrary values. */
const anything = fc.letrec<{ value: unknown; object: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('#', '#/$defs/a', 'object', '^(a+)+$', '(', '::', true, false, null, -1, 0, 1.5),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc
    .array(
      fc.tuple(
        fc.constantFrom(
          ...(
            '$ref $id id $anchor $schema $defs type properties patternProperties items prefixItems anyOf allOf oneOf ' +
            'not if then enum const required dependencies dependentRequired minimum minItems contains uniqueItems ' +
            'multipleOf pattern format default description unevaluatedProperties __proto__ constructor a __absolute_ref__'
          ).split(' '),
        ),
        tie('value'),
      ),
      { maxLength: 6 },
    )
    .map((entries) => Object.fromEntries(entries)),
})).value;

suite('checkSchema', () => {
  const faulty: readonly (readonly [schema: Json, why: RegExp])[] = [
    [{ type: 'nonsense' }, /is not a JSON Schema: see #\/type\.$/],
    [{ type: [] }, /see #\/type\.$/],
    [{ properties: { 'a/b': { items: { minimum: '1' } } } }, /see #\/properties\/a~1b\/items\/minimum\.$/],
    [{ properties: [] }, /see #\/properties\.$/],
    [{ anyOf: {} }, /see #\/anyOf\.$/],
    [{ allOf: [true, 'no'] }, /see #\/allOf\/1\.$/],
    [{ required: 'a' }, /see #\/required\.$/],
    [{ enum: 'a' }, /see #\/enum\.$/],
    [{ multipleOf: 0 }, /see #\/multipleOf\.$/],
    [{ minLength: -1 }, /see #\/minLength\.$/],
    [{ $defs: { a: 1 } }, /see #\/\$defs\/a\.$/],
    [{ $ref: '#/$defs/none' }, /does not define #\/\$defs\/none\.$/],
    [{ items: { $ref: 'https://example.com/schema' } }, /does not define https:\/\/example\.com\/schema\.$/],
    [{ $ref: `#/${'a'.repeat(1000)}` }, /does not define #\/a{198}…\.$/],
    [{ $id: '//:' }, /cannot be read as a JSON Schema\.$/],
    [{ enum: ['a'.repeat(300_000)] }, /has more than 262144 characters\.$/],
    [nested(100_000), /is nested more than 64 levels deep\.$/],
  ];
  for (const [schema, why] of faulty) {
    test(`refuses with ${why.source}`, () => assert.match(fault(schema) ?? '', why));
  }

  const fine: readonly (readonly [name: string, schema: Json])[] = [
    ['nothing', {}],
    ['draft 7', { $schema: 'http://json-schema.org/draft-07/schema#', items: [true], definitions: { a: {} } }],
    ['draft 7 without $schema', { items: [{ type: 'null' }], additionalItems: false, dependencies: { a: ['b'] } }],
    ['a reference to a name that needs encoding', { $ref: '#/$defs/a%20~1b', $defs: { 'a /b': true } }],
    ['a reference to an anchor', { $ref: '#a', $defs: { x: { $anchor: 'a' } } }],
    ['a schema inside itself', { properties: { next: { $ref: '#' } } }],
    ['a pattern of another language', { pattern: '(?i)^[\\w\\-.]+\\Z' }],
    [
      'what is no schema under an unknown keyword',
      { 'x-a': { $ref: 5, id: 1 }, properties: { a: { example: { id: 1 } } } },
    ],
    [
      'properties named as keywords are',
      { properties: { id: true, $id: true, $ref: {}, type: {}, ['__proto__']: {} } },
    ],
    ['references that double at every level', { $ref: '#/$defs/d0', $defs: doubling }],
    ['1,000 properties', { properties: Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`p${at}`, {}])) }],
  ];
  for (const [name, schema] of fine) {
    test(`accepts ${name}`, () => {
      const before = JSON.stringify(schema);
      assert.equal(fault(schema), undefined);
      assert.equal(JSON.stringify(schema), before);
      assert.deepEqual(Object.getOwnPropertyNames(schema), Object.keys(schema), 'untouched');
    });
  }

  test('accepts every schema that both drafts accept, except for references and identifiers', () => {
    const drafts = [new Ajv({ logger: false }), new Ajv2020({ logger: false })];
    const elsewhere = /\$(ref|id|anchor|schema)"/;
    fc.assert(
      fc.property(anything.filter(isObject), (schema) => {
        if (elsewhere.test(JSON.stringify(schema))) return;
        const valid = drafts.every((draft) => draft.validateSchema(schema) === true);
        if (valid) assert.equal(fault(schema), undefined);
      }),
      { numRuns: 2000 },
    );
  });
});

suite('validateAnswer', () => {
  const person = {
    type: 'object',
    properties: { name: { type: 'string', minLength: 1 }, born: { type: 'string', format: 'date' } },
    required: ['name'],
    additionalProperties: false,
  };
  const answers: readonly (readonly [schema: Json, text: string, reason: string | undefined])[] = [
    [person, '{"name":"Ada","born":"1815-12-10"}', undefined],
    [person, '{"name":"Ada","born":"December"}', 'it violates #/properties/born/format'],
    [person, '{"name":"Ada","secret":1}', 'it violates #/additionalProperties'],
    [person, '{"name":""}', 'it violates #/properties/name/minLength'],
    [person, '{}', 'it violates #/required'],
    [person, '[]', 'it violates #/type'],
    [person, '{"name":"Ada"', 'it is not JSON'],
    [person, '', 'it is not JSON'],
    [{ not: {} }, '1', 'it violates #/not'],
    [{ items: false }, '["secret"]', 'it violates #/items'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, '1', 'it violates #/anyOf'],
    [{ $ref: '#/$defs/a', $defs: { a: { const: 1 } } }, '2', 'it violates #/$ref/const'],
    [{ $ref: '#/$defs/a', minimum: 3, $defs: { a: {} } }, '2', 'it violates #/minimum'],
    [
      { $schema: 'http://json-schema.org/draft-07/schema#', $ref: '#/$defs/a', minimum: 3, $defs: { a: {} } },
      '2',
      undefined,
    ],
    [{ items: [{ const: 1 }], additionalItems: false }, '[1,2]', 'it violates #/additionalItems'],
    [{ prefixItems: [{ const: 1 }], items: false }, '[1,2]', 'it violates #/items'],
    [
      { properties: { next: { $ref: '#' } }, required: ['n'] },
      '{"n":1,"next":{}}',
      'it violates #/properties/next/$ref/required',
    ],
    [{ pattern: '^\\p{Lu}' }, '"é"', 'it violates #/pattern'],
    [{ pattern: '(?i)^[\\w\\-.]+\\Z' }, '"?"', undefined],
    [{ pattern: '^a{1000}'.repeat(200) }, '"b"', undefined],
    [
      { patternProperties: { '(': false, '^x': { type: 'null' } } },
      '{"x":1}',
      'it violates #/patternProperties/%5Ex/type',
    ],
    [{ properties: { constructor: { type: 'null' }, toString: false } }, '{}', undefined],
    [
      JSON.parse('{"properties":{"__proto__":{"type":"null"}}}') as Json,
      '{"__proto__":1}',
      'it violates #/properties/__proto__/type',
    ],
    [{ multipleOf: 0.01 }, '19.99', undefined],
    [{ maxLength: 1 }, '"🎉"', undefined],
  ];
  for (const [schema, text, reason] of answers) {
    test(`${JSON.stringify(schema).slice(0, 80)} of ${text}: ${reason ?? 'matches'}`, () => {
      assert.equal(fault(schema), undefined);
      assert.equal(validateAnswer(schema, text), reason);
    });
  }

  const hostile: readonly (readonly [name: string, schema: Json, text: string])[] = [
    ['a pattern that backtracks', { pattern: '^(a+)+$' }, JSON.stringify(`${'a'.repeat(100)}b`)],
    ['references that double', { $ref: '#/$defs/d0', $defs: { ...doubling, d39: {} } }, '1'],
    ['a schema that refers only to itself', { $ref: '#' }, '1'],
    ['an answer deeper than the stack', { items: { $ref: '#' } }, '['.repeat(100_000) + ']'.repeat(100_000)],
    [
      'a comparison of each item with every other',
      { uniqueItems: true },
      JSON.stringify(Array.from({ length: 200_000 }, (_, at) => at)),
    ],
  ];
  for (const [name, schema, text] of hostile) {
    test(`gives up in time on ${name}`, () => {
      assert.equal(fault(schema), undefined);
      const start = performance.now();
      assert.equal(validateAnswer(schema, text), 'it cannot be checked against the schema');
      assert.ok(performance.now() - start < 2000);
    });
  }

  test('compiles the most expensive allowed pattern in time', () => {
    const schema = { pattern: `${'(?:'.repeat(142)}a${'){2}'.repeat(142)}` };
    const start = performance.now();
    assert.equal(validateAnswer(schema, '"aaa"'), 'it violates #/pattern');
    assert.ok(performance.now() - start < 1000);
  });

  test('never throws, and gives no reason that contains text of the answer', () => {
    fc.assert(
      fc.property(anything.filter(isObject), anything, (schema, answer) => {
        fault(schema);
        const marked = JSON.stringify({ a: answer, type: 'Xsecret', Xsecret: [answer, 'Xsecret'] });
        assert.doesNotMatch(validateAnswer(schema, marked) ?? '', /Xsecret/);
      }),
      { numRuns: 1000 },
    );
  });
});

function nested(depth: number): Json {
  let schema: Json = {};
  for (let at = 0; at < depth; at += 1) schema = { not: schema };
  return schema;
}
