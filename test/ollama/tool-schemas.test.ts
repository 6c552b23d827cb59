import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { native, recordedOllama, user } from './live.ts';

const upstream = await recordedOllama();
const gateway = await testGateway(upstream);
after(async () => {
  await gateway.close();
  await upstream[Symbol.asyncDispose]();
});

interface Shown {
  readonly description: string;
  readonly parameters: {
    readonly type: string;
    readonly properties: Readonly<Record<string, ShownProperty>>;
  };
}
interface ShownProperty {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly ShownProperty[];
  readonly items?: unknown;
  readonly properties?: Readonly<Record<string, ShownProperty>>;
}

/** @returns the tool as it is in the prompt that Ollama renders for llamaduct's request */
async function shown(parameters: object): Promise<Shown> {
  const tool = { type: 'function', function: { name: 'f', description: 'Does it.', parameters } };
  const response = await gateway.chat({ model: 'scripted-tools', messages: [user('hi')], tools: [tool] });
  assert.equal(response.status, 200, await response.text());
  const request = JSON.parse(upstream.requests.at(-1)?.body ?? '') as object;
  const { _debug_info: rendered } = await native<{ _debug_info: { rendered_template: string } }>('/api/chat', {
    ...request,
    stream: false,
    _debug_render_only: true,
  });
  const [, json = ''] = /You may call these tools:\n(.*)\n/.exec(rendered.rendered_template) ?? [];
  return JSON.parse(json) as Shown;
}

/** @returns the parameter `p` of a tool that has no other, as it is in the prompt */
async function shownProperty(p: unknown, definitions: object = {}): Promise<ShownProperty | undefined> {
  return (await shown({ type: 'object', properties: { p }, ...definitions })).parameters.properties['p'];
}

const node = { type: 'object', properties: { next: { $ref: '#/$defs/Node' }, size: { type: 'integer', minimum: 1 } } };

/** Parameters' schemas, and how each is rendered in the prompt. */
const properties: readonly (readonly [name: string, schema: unknown, shown: ShownProperty])[] = [
  ['true', true, {}],
  ['false', false, { description: '(not allowed)' }],
  ['not a JSON Schema', 7, { description: '(7)' }],
  ['a constant', { const: { a: 1 } }, { enum: [{ a: 1 }] }],
  ['nullable', { type: 'string', nullable: true }, { type: ['string', 'null'] }],
  [
    'bounds, a default and a format',
    {
      type: 'string',
      description: 'When',
      minLength: 2,
      maxLength: 9,
      pattern: '^\\d"',
      format: 'date',
      default: null,
    },
    {
      type: 'string',
      description: 'When (minLength: 2, maxLength: 9, pattern: "^\\\\d\\"", format: "date", default: null)',
    },
  ],
  [
    'keywords of the wrong type, and in capitals',
    { type: 5, enum: 'a', description: 7, anyOf: {}, properties: [], Description: 1, ENUM: 2 },
    { description: '(type: 5, enum: "a", description: 7, anyOf: {}, Description: 1, ENUM: 2)', properties: {} },
  ],
  [
    'oneOf',
    { oneOf: [{ type: 'integer', exclusiveMinimum: 0 }, { enum: ['all', 1, null] }, false] },
    {
      description: '(exactly one of anyOf)',
      anyOf: [
        { type: 'integer', description: '(exclusiveMinimum: 0)' },
        { enum: ['all', 1, null] },
        { description: '(not allowed)' },
      ],
    },
  ],
  [
    'a nested object',
    {
      type: 'object',
      properties: { a: { type: 'number', multipleOf: 2 } },
      required: ['a'],
      additionalProperties: false,
    },
    {
      type: 'object',
      description: '(required: ["a"], additionalProperties: false)',
      properties: { a: { type: 'number', description: '(multipleOf: 2)' } },
    },
  ],
  [
    'items keep every keyword',
    { type: 'array', minItems: 1, items: { oneOf: [{ const: 1 }, true], default: 1 } },
    {
      type: 'array',
      description: '(minItems: 1)',
      items: {
        oneOf: [{ const: 1 }, { type: ['string', 'number', 'boolean', 'object', 'array', 'null'] }],
        default: 1,
      },
    },
  ],
  [
    'allOf',
    {
      allOf: [
        { type: 'object', properties: { a: true } },
        { properties: { b: { type: 'null' } }, required: ['b'] },
      ],
    },
    { type: 'object', description: '(required: ["b"])', properties: { a: {}, b: { type: 'null' } } },
  ],
  [
    'a recursive reference',
    { $ref: '#/$defs/Node' },
    {
      type: 'object',
      description: '(Node)',
      properties: {
        next: { type: 'object', description: '(recursive: Node again)' },
        size: { type: 'integer', description: '(minimum: 1)' },
      },
    },
  ],
  [
    'a reference elsewhere',
    { $ref: 'https://example.com/s.json' },
    { description: '($ref: "https://example.com/s.json")' },
  ],
];
for (const [name, schema, expected] of properties) {
  test(`a tool parameter is described in the prompt: ${name}`, async () => {
    const { required: _, ...property } = { required: [], ...(await shownProperty(schema, { $defs: { Node: node } })) };
    assert.deepEqual(property, expected);
  });
}

test('tool parameters with unusual names reach the prompt', async () => {
  const names = ['', 'a"b\\c', 'ü 🎉\n\u0000', '__proto__', 'constructor', '$ref', 'half \ud800'];
  const schema = Object.fromEntries(names.map((name) => [name, { const: name.length }]));
  const { properties: rendered } = (await shown({ properties: schema })).parameters;
  const expected = names.map((name) => [name.toWellFormed(), { enum: [name.length] }]);
  assert.deepEqual(rendered, Object.fromEntries(expected));
});

/** Schemas of all parameters, and the description that the tool gets. */
const roots: readonly (readonly [name: string, schema: object, description: string])[] = [
  ['empty', {}, 'Does it.'],
  [
    'additionalProperties false',
    { type: 'object', additionalProperties: false },
    'Does it. Arguments: (additionalProperties: false)',
  ],
  ['several types', { type: ['object', 'null'] }, 'Does it. Arguments: (type: ["object","null"])'],
  [
    'a description',
    { title: 'T', description: 'All of it.', required: 'a' },
    'Does it. Arguments: All of it. (required: "a")',
  ],
  ['a choice', { oneOf: [{ required: ['a'] }, true] }, 'Does it. Arguments: (oneOf: [{"required":["a"]},true])'],
  [
    'a reference',
    { $ref: '#/definitions/D', definitions: { D: { minProperties: 1 } } },
    'Does it. Arguments: (minProperties: 1)',
  ],
  ['a reference to itself', { $ref: '#' }, 'Does it. Arguments: (recursive: the whole again)'],
];
for (const [name, schema, description] of roots) {
  test(`the tool's description holds its parameters' schema: ${name}`, async () => {
    const tool = await shown(schema);
    assert.equal(tool.description, description);
    assert.deepEqual(tool.parameters, { type: 'object', properties: {} });
  });
}

test('a tool schema nested a hundred levels deep reaches the prompt up to a limit', async () => {
  let schema: object = { type: 'string' };
  for (let depth = 0; depth < 100; depth += 1) schema = { type: 'array', items: schema };
  const properties = { deep: schema };
  assert.match(JSON.stringify(await shown({ type: 'object', properties })), /\(nested too deep to be shown\)/);
});
