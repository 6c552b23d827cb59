import fc from 'fast-check';

/** A JSON Schema, and the statements that a reader must find in it. */
export interface Stated {
  readonly schema: unknown;
  /** Regular expressions for keywords with their values, without spaces and quotes: `minimum:12`; `definition:a`. */
  readonly states: readonly string[];
}

const bounds = 'minimum maximum exclusiveMinimum minLength maxLength minItems maxItems maxProperties minContains';

/**
 * Generates schemas of all keywords that contain schemas, with constraints made of `number`.
 *
 * @param definitions the names in `$defs` that they may refer to
 */
export function statedSchemas(
  number: fc.Arbitrary<number>,
  definitions: readonly string[] = ['a', 'b', 'c', 'd/e~'],
): { readonly schema: fc.Arbitrary<Stated>; readonly constant: fc.Arbitrary<string> } {
  const constant = number.map((value) => `w${value}`);
  const constraint = fc
    .oneof(
      fc.tuple(fc.constantFrom(...bounds.split(' ')), number),
      fc.tuple(fc.constantFrom('pattern', 'format', 'contentEncoding', 'x-unknown'), constant),
      fc.tuple(fc.constantFrom('additionalProperties', 'unevaluatedProperties', 'uniqueItems'), fc.boolean()),
    )
    .map(([keyword, value]) => ({ schema: { [keyword]: value }, states: [`\\b${keyword}:${value}\\b`] }));
  const none = { schema: {}, states: [] };
  const leaf = fc.oneof(
    constraint,
    constant.map((value) => ({ schema: { const: value }, states: [`\\b${value}\\b`] })),
    constant.map((value) => ({ schema: { enum: [value, 1] }, states: [`\\benum:\\[${value},1\\]`] })),
  );
  const references = definitions.map((name) => fc.tuple(fc.constant(name), fc.option(constraint, { nil: none })));

  const { schema } = fc.letrec<{ schema: Stated }>((tie) => {
    const inner = tie('schema');
    const object = fc.tuple(constant, inner, fc.boolean(), fc.option(constraint, { nil: none }));
    return {
      schema: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        object.map(toObject),
        ...references.map((reference) => reference.map(toReference)),
        ...['anyOf', 'oneOf', 'allOf', 'prefixItems'].map((keyword) => several(keyword, inner)),
        ...['items', 'not', 'if', 'contains', 'additionalProperties', 'propertyNames'].map((keyword) =>
          inner.map(({ schema, states }) => ({ schema: { [keyword]: schema }, states })),
        ),
      ),
    };
  });
  return { schema, constant };
}

type Plain = Stated & { readonly schema: object };

function toObject([name, { schema, states }, required, more]: [string, Stated, boolean, Plain]): Stated {
  return {
    schema: { ...more.schema, type: 'object', properties: { [name]: schema }, ...(required && { required: [name] }) },
    states: [...states, ...more.states, `\\b${name}\\b`, ...(required ? [`\\brequired:\\[[^\\]]*\\b${name}\\b`] : [])],
  };
}

function toReference([name, more]: [string, Plain]): Stated {
  const token = name.replace('~', '~0').replace('/', '~1');
  return {
    schema: { $ref: `#/$defs/${encodeURIComponent(token)}`, ...more.schema },
    states: [`definition:${name}`, ...more.states],
  };
}

function several(keyword: string, inner: fc.Arbitrary<Stated>): fc.Arbitrary<Stated> {
  return fc.array(inner, { minLength: 1, maxLength: 3 }).map((all) => ({
    schema: { [keyword]: all.map(({ schema }) => schema) },
    states: all.flatMap(({ states }) => states),
  }));
}
