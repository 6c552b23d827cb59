import type { Schema } from '@cfworker/json-schema';

const schema: Schema = { $ref: '#' };
const schemas: Schema = { type: 'array', items: schema };
const names: Schema = { type: 'array', items: { type: 'string' } };
const type: Schema = { enum: ['null', 'boolean', 'object', 'array', 'number', 'integer', 'string'] };

/**
 * Schema of schemas: the keywords of draft 7 and of 2020-12 together.
 *
 * @see https://json-schema.org/draft/2020-12/schema
 */
export const metaSchema: Schema = {
  type: ['object', 'boolean'],
  properties: {
    ...eachKeyword('not if then else contains propertyNames additionalProperties additionalItems', schema),
    ...eachKeyword('unevaluatedProperties unevaluatedItems', schema),
    ...eachKeyword('properties patternProperties dependentSchemas $defs definitions', {
      type: 'object',
      additionalProperties: schema,
    }),
    ...eachKeyword('allOf anyOf oneOf prefixItems', schemas),
    ...eachKeyword('minLength maxLength minItems maxItems minContains maxContains minProperties maxProperties', {
      type: 'integer',
      minimum: 0,
    }),
    ...eachKeyword('minimum maximum exclusiveMinimum exclusiveMaximum', { type: 'number' }),
    ...eachKeyword('$id $ref $schema $anchor pattern format title description', { type: 'string' }),
    required: names,
    uniqueItems: { type: 'boolean' },
    type: { anyOf: [type, { type: 'array', items: type, minItems: 1 }] },
    enum: { type: 'array' },
    dependentRequired: { type: 'object', additionalProperties: names },
    dependencies: { type: 'object', additionalProperties: { anyOf: [names, schema] } },
    items: { anyOf: [schema, schemas] },
    multipleOf: { type: 'number', exclusiveMinimum: 0 },
  },
};

function eachKeyword(keywords: string, value: Schema): Record<string, Schema> {
  return Object.fromEntries(keywords.split(' ').map((keyword) => [keyword, value]));
}
