import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Validator } from '@cfworker/json-schema';
import fc from 'fast-check';
import { isObject } from '../../src/framing/json.ts';
import type { Budget } from '../../src/upstreams/ollama/schema-budget.ts';
import { inlineRefs } from '../../src/upstreams/ollama/schema-refs.ts';
import { toOllamaFunction } from '../../src/upstreams/ollama/schema.ts';
import { received } from './ollama-tool-type.ts';
import { type Stated, statedSchemas } from './stated-schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const unlimited: Budget = { spend: () => undefined, add: () => undefined };

/** A tool with these parameters as Ollama reads it. */
function readByOllama(parameters: Json): { readonly description?: string | undefined; readonly parameters: Json } {
  const { description, parameters: sent } = toOllamaFunction({ name: 'f', parameters }, unlimited);
  // A request is JSON text.
  return { description, parameters: received(JSON.parse(JSON.stringify(sent))) };
}

function schemasOf(all: Readonly<Record<string, Stated>>): Json {
  return Object.fromEntries(Object.entries(all).map(([name, { schema }]) => [name, schema]));
}

function property(schema: unknown, definitions: Json = {}): unknown {
  return (readByOllama({ type: 'object', properties: { p: schema }, ...definitions }).parameters['properties'] as Json)[
    'p'
  ];
}

suite('a schema that the Go types support completely is sent unchanged', () => {
  const type = fc.constantFrom('string', 'integer', 'object', 'array', 'null', 'nonsense', '');
  const json = fc.jsonValue({ maxDepth: 3 });
  const plain = {
    type: fc.oneof(type, fc.array(type, { minLength: 1, maxLength: 3 })),
    description: fc.string(),
    enum: fc.array(json, { minLength: 1, maxLength: 3 }),
    // Boolean schemas are replaced, because llama.cpp does not support them.
    items: json.filter((value) => value !== null && !isObject(value) && !/true|false/.test(JSON.stringify(value))),
  };
  const { schema } = fc.letrec<{ schema: Json }>((tie) => ({
    schema: fc.oneof(
      { depthSize: 'small' },
      fc.record(plain, { requiredKeys: [] }),
      fc.record(
        {
          ...plain,
          items: tie('schema'),
          anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }),
          properties: fc.dictionary(fc.string({ unit: 'grapheme' }), tie('schema'), { maxKeys: 3 }),
        },
        { requiredKeys: [] },
      ),
    ),
  }));
  const root = fc
    .record({ properties: fc.dictionary(fc.string(), schema), required: fc.array(fc.string()) })
    .map((fields) => ({ type: 'object', ...fields }));

  test('with any supported keywords', () => {
    fc.assert(
      fc.property(root, (parameters) => {
        const plain: unknown = JSON.parse(JSON.stringify(parameters));
        const sent = toOllamaFunction({ name: 'f', description: 'd', parameters }, unlimited);
        assert.deepEqual(JSON.parse(JSON.stringify(sent)), { name: 'f', description: 'd', parameters: plain });
      }),
    );
  });
});

suite('keywords that the Go types drop are written into the description', () => {
  const { schema } = statedSchemas(fc.integer({ min: 1000, max: 1_000_000 }));
  const whole = fc.record({ root: schema, a: schema, b: schema, c: schema, 'd/e~': schema });

  /** The statements of the root and of the definitions that it reaches. */
  function statedBy({ root, ...definitions }: Readonly<Record<string, Stated>>): string[] {
    const states: string[] = [];
    const seen = new Set<string>();
    const visit = (at: Stated | undefined): void => {
      for (const state of at?.states ?? []) {
        const name = /^definition:(.*)$/.exec(state)?.[1];
        if (name === undefined) states.push(state);
        else if (!seen.has(name)) visit((seen.add(name), definitions[name]));
      }
    };
    visit(root);
    return states;
  }

  for (const [place, parametersOf] of [
    ['a property', (p: unknown) => ({ type: 'object', properties: { p } })],
    ['the tool', (root: unknown) => root as Json],
  ] as const) {
    test(`of ${place}: those of all subschemas and references`, () => {
      const written = fc.property(whole, ({ root, ...definitions }) => {
        const parameters = { ...parametersOf(root.schema), $defs: schemasOf(definitions) };
        const text = JSON.stringify(readByOllama(parameters)).replaceAll(/[\\" ]/g, '');
        for (const state of statedBy({ root, ...definitions })) assert.match(text, new RegExp(state));
      });
      fc.assert(written, { numRuns: 1000 });
    });
  }
});

suite('inlineRefs', () => {
  const few = fc.integer({ min: 0, max: 3 });
  const { schema, constant } = statedSchemas(few);
  const definition = statedSchemas(few, []).schema;
  const whole = fc.record({ root: schema, a: definition, b: definition, c: definition, 'd/e~': definition });
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, 1, 2, 3.5, 'w0', 'w1', 'w2 w3'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(constant, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value;

  test('removes all references and accepts the same values as before', () => {
    fc.assert(
      fc.property(whole, fc.array(value, { minLength: 20, maxLength: 20 }), ({ root, ...definitions }, values) => {
        const before = { allOf: [root.schema], $defs: schemasOf(definitions) };
        const after = inlineRefs(before, unlimited);
        assert.doesNotMatch(JSON.stringify(after), /\$ref|\$defs/);
        const accepted = (schema: Json): unknown[] => {
          const validator = new Validator(structuredClone(schema), '2020-12');
          return values.filter((value) => validator.validate(value).valid);
        };
        assert.deepEqual(accepted(after), accepted(before));
      }),
      { numRuns: 500 },
    );
  });
});

suite('where keywords are written', () => {
  const $defs = { Size: { title: 'Size', description: 'In cm', type: 'integer', minimum: 1, default: 3 } };
  const cases: readonly (readonly [name: string, schema: unknown, expected: Json])[] = [
    ['a title replaces a missing description', { title: 'City' }, { description: 'City' }],
    ['a title beside a description is left out', { title: 'City', description: 'Where' }, { description: 'Where' }],
    [
      'keywords beside a reference win over descriptive ones of its target',
      { $ref: '#/$defs/Size', description: 'Width', default: 4 },
      { type: 'integer', description: 'Width In cm (default: 4, minimum: 1)' },
    ],
    [
      'a contradiction between a reference and the keywords beside it stays in allOf',
      { $ref: '#/$defs/Size', minimum: 9 },
      {
        description:
          '(minimum: 9, allOf: [{"title":"Size","description":"In cm","type":"integer","minimum":1,"default":3}])',
      },
    ],
    [
      'a closed object in allOf is not merged: the result would allow more',
      { properties: { a: true }, allOf: [{ additionalProperties: false }, { required: ['a'] }] },
      { properties: { a: {} }, description: '(required: ["a"], allOf: [{"additionalProperties":false}])' },
    ],
    [
      'properties of allOf are merged by name',
      { allOf: [{ properties: { a: { type: 'integer' } } }, { properties: { a: { minimum: 1 }, b: false } }] },
      { properties: { a: { type: 'integer', description: '(minimum: 1)' }, b: { description: '(not allowed)' } } },
    ],
    [
      'oneOf beside anyOf is a remark',
      { anyOf: [true], oneOf: [{ const: 1 }] },
      { anyOf: [{}], description: '(oneOf: [{"const":1}])' },
    ],
    ['const beside enum is a remark', { enum: [1, 2], const: 1 }, { enum: [1, 2], description: '(const: 1)' }],
    ['nullable without a type is a remark', { nullable: true }, { description: '(nullable: true)' }],
    [
      'a reference in a default is not followed',
      { default: { $ref: '#/$defs/Size' } },
      { description: '(default: {"$ref":"#/$defs/Size"})' },
    ],
    [
      'a reference to a missing definition is a remark',
      { $ref: '#/$defs/Sice' },
      { description: '($ref: "#/$defs/Sice")' },
    ],
    [
      'a reference to an inherited property is a remark',
      { $ref: '#/constructor' },
      { description: '($ref: "#/constructor")' },
    ],
    ['a reference to an anchor is a remark', { $ref: '#size' }, { description: '($ref: "#size")' }],
  ];
  for (const [name, schema, expected] of cases) {
    test(name, () => assert.deepEqual(property(schema, { $defs }), expected));
  }

  test('a description that tool and parameters share is written once', () => {
    const tool = { name: 'f', description: 'Weather', parameters: { description: 'Weather', title: 'F' } };
    assert.equal(toOllamaFunction(tool, unlimited).description, 'Weather');
  });

  test('a tool without parameters gets an empty object', () => {
    assert.deepEqual(toOllamaFunction({ name: 'f' }, unlimited), {
      name: 'f',
      parameters: { type: 'object', properties: {} },
    });
  });
});

suite('unreasonable schemas', () => {
  const names = (
    '$ref $defs definitions type properties items anyOf oneOf allOf enum const required description title default ' +
    'nullable not additionalProperties __proto__ constructor toString a Type'
  ).split(' ');
  const refs = ['#', '#/', '#/properties/a', '#/$defs/a', '#/$defs/__proto__', '#/%', '#/~2', 'http://x', '##', ''];
  const { value } = fc.letrec<{ value: unknown; object: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(...refs, 'object', 'string', '\ud800', true, false, null, 0, 1.5),
      fc.array(tie('value'), { maxLength: 4 }),
      tie('object'),
    ),
    object: fc
      .array(fc.tuple(fc.constantFrom(...names), tie('value')), { maxLength: 6 })
      .map((entries) => Object.fromEntries(entries)),
  }));

  test('anything instead of a schema is accepted, and the result has a bounded size', () => {
    fc.assert(
      fc.property(value.filter(isObject), (parameters) => {
        const before = JSON.stringify(parameters);
        const text = JSON.stringify(readByOllama(parameters));
        assert.ok(text.length < 10 * before.length + 200_000);
        assert.equal(JSON.stringify(parameters), before, 'untouched');
      }),
      { numRuns: 2000 },
    );
  });

  const wrappers: readonly (readonly [name: string, wrap: (inner: unknown) => unknown])[] = [
    ['properties', (inner) => ({ properties: { a: inner } })],
    ['items', (items) => ({ items })],
    ['anyOf', (inner) => ({ anyOf: [inner] })],
    ['allOf', (inner) => ({ allOf: [inner] })],
    ['not', (not) => ({ not })],
    ['default', (inner) => ({ default: [inner] })],
    ['no keyword', (inner) => ({ inner })],
  ];
  for (const [name, wrap] of wrappers) {
    test(`100,000 levels in ${name} are cut`, () => {
      let schema: unknown = { type: 'string' };
      for (let depth = 0; depth < 100_000; depth += 1) schema = wrap(schema);
      const text = JSON.stringify(readByOllama({ properties: { p: schema } }));
      assert.match(text, /nested too deep to be shown/);
      assert.ok(text.length < 5000);
    });
  }

  test('a chain of 10,000 references is cut', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, at) => [`d${at}`, { $ref: `#/$defs/d${at + 1}` }]),
    );
    assert.deepEqual(property({ $ref: '#/$defs/d0' }, { $defs }), { description: '(nested too deep to be shown)' });
  });

  test('definitions that each refer twice to the next have a bounded size', () => {
    const double = (at: number): Json => ({
      properties: { a: { $ref: `#/$defs/d${at + 1}` }, b: { $ref: `#/$defs/d${at + 1}` } },
    });
    const $defs = { ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`d${at}`, double(at)])), d30: true };
    const text = JSON.stringify(property({ $ref: '#/$defs/d0' }, { $defs }));
    assert.ok(text.length < 500_000, String(text.length));
    assert.match(text, /"\(d\d+: too long to be repeated\)"/);
  });

  test('1,000 references to a long definition have a bounded size', () => {
    const $defs = { long: { description: 'x'.repeat(50_000) } };
    const references = Array.from({ length: 1000 }, (_, at) => [`p${at}`, { $ref: '#/$defs/long' }]);
    const text = JSON.stringify(readByOllama({ properties: Object.fromEntries(references), $defs }));
    assert.ok(text.length < 300_000, String(text.length));
  });

  test('of 200,000 schemas in allOf, 16 are merged', () => {
    const allOf = Array.from({ length: 200_000 }, (_, at) => ({ properties: { [`p${at}`]: {} } }));
    const { properties } = property({ allOf }) as { properties: Json };
    assert.equal(Object.keys(properties).length, 16);
  });
});
