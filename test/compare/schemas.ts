/** For each JSON Schema keyword: a property that uses it, and a pattern that the model's prompt must match. */
const properties: Readonly<Record<string, readonly [schema: object, pattern: RegExp]>> = {
  $ref: [{ $ref: '#/$defs/Town' }, /Quito/],
  oneOf: [{ oneOf: [{ const: 'celsius' }, { const: 'kelvin' }] }, /kelvin/],
  anyOf: [{ anyOf: [{ type: 'string', enum: ['north'] }, { type: 'integer' }] }, /north/],
  const: [{ const: 'metric7' }, /metric7/],
  default: [{ type: 'string', default: 'teal' }, /teal/],
  'minimum and maximum': [{ type: 'integer', minimum: 17, maximum: 4711 }, /17.*4711|4711.*17/],
  format: [{ type: 'string', format: 'date-time' }, /date-time/],
  pattern: [{ type: 'string', pattern: '^zz[0-9]+' }, /zz\[0-9\]/],
  'nested required': [
    { type: 'object', properties: { lat: { type: 'number' }, lon: { type: 'number' } }, required: ['lat'] },
    /required/i,
  ],
};

/** A tool with one argument for each keyword. */
export const schemaTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather in a town',
    parameters: {
      type: 'object',
      $defs: { Town: { type: 'string', enum: ['Quito', 'Lima'] } },
      properties: Object.fromEntries(Object.values(properties).map(([schema], at) => [`arg${at}`, schema])),
      additionalProperties: false,
    },
  },
};

/**
 * @param prompt a prompt that holds the tool as a line of JSON
 * @returns the keywords that are neither in the argument's own schema nor in the description of the tool
 */
export function missingKeywords(prompt: string): string[] {
  const line = prompt.split('\n').find((text) => text.startsWith('{"name":"get_weather"')) ?? '{}';
  const tool = JSON.parse(line) as { description?: string; parameters?: { properties?: Record<string, object> } };
  return Object.entries(properties).flatMap(([keyword, [, pattern]], at) => {
    const argument = JSON.stringify(tool.parameters?.properties?.[`arg${at}`] ?? {});
    return pattern.test(argument) || pattern.test(tool.description ?? '') ? [] : [keyword];
  });
}
