import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../../src/config/file.ts';
import { configSchema } from '../../src/config/schema.ts';

const text = await readFile(resolve(import.meta.dirname, '../../deploy/llamaduct.example.yaml'), 'utf8');
/** A commented-out setting follows `#` and an even number of spaces; a remark follows `#` and one space. */
const withAllSettings = text
  .replace(/^( *)#((?: {2})*)(?=[a-z]|- )/gm, '$1$2')
  // Certificates need a URL with https.
  .replace(/^ {4}url: http:/m, '    url: https:');

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  /** The schema of a map's values. */
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
}

function pathsOfSchema({ properties = {}, items, additionalProperties: values, anyOf }: JsonSchema): string[] {
  const [variant] = anyOf ?? [];
  if (variant !== undefined) return pathsOfSchema(variant);
  if (typeof values === 'object' && values.properties !== undefined) {
    return ['*', ...pathsOfSchema(values).map((path) => `*.${path}`)];
  }
  const nested = Object.entries(properties).flatMap(([key, schema]) => [
    key,
    ...pathsOfSchema(schema).map((path) => `${key}.${path}`),
  ]);
  return items === undefined ? nested : pathsOfSchema(items);
}

function pathsOfValue(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(pathsOfValue);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...pathsOfValue(inner).map((path) => `${key}.${path}`)]);
}

test('the example is valid, with and without its commented-out settings', () => {
  parseConfig(text, 'example');
  parseConfig(withAllSettings, 'example');
});

test('the example contains every setting of the schema', () => {
  const known = pathsOfSchema(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema);
  assert.ok(
    known.includes('keys.expires') && known.includes('metrics.listen') && known.includes('timeouts.first_byte'),
  );
  const freeForm = ['aliases.', 'models.options.', 'models.pin.', 'upstreams.headers.'];
  const inExample = pathsOfValue(parse(withAllSettings))
    .filter((path) => !freeForm.some((prefix) => path.startsWith(prefix)))
    .map((path) => path.replace('groups.lab', 'groups.*'));
  assert.deepEqual(inExample.toSorted(), known.toSorted());
});

test('the values in the example are the defaults', () => {
  const { keys, upstreams, ...rest } = parseConfig(text, 'example');
  assert.deepEqual([keys.length, upstreams?.length], [1, 1]);
  const { keys: _, ...defaults } = configSchema.parse({});
  assert.deepEqual(rest, defaults);
});

test('the first line of the example refers editors to the schema', () => {
  assert.equal(text.split('\n', 1)[0], '# yaml-language-server: $schema=./llamaduct.schema.json');
});
