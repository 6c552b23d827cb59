import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../../src/config/file.ts';
import { configSchema } from '../../src/config/schema.ts';

const text = await readFile(resolve(import.meta.dirname, '../../deploy/llamaduct.example.yaml'), 'utf8');
/** A setting that is off stands behind a # and an even number of spaces, a remark behind # and one space. */
const withAllOn = text.replace(/^( *)#((?: {2})*)(?=[a-z]|- )/gm, '$1$2');

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  /** Of what goes by any name. */
  readonly additionalProperties?: JsonSchema | boolean;
}

function pathsOfSchema({ properties = {}, items, additionalProperties: named }: JsonSchema): string[] {
  if (typeof named === 'object' && named.properties !== undefined) {
    return ['*', ...pathsOfSchema(named).map((path) => `*.${path}`)];
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

test('the example passes the check, also with what is off in it', () => {
  parseConfig(text, 'example');
  parseConfig(withAllOn, 'example');
});

test('the example names every setting there is', () => {
  const known = pathsOfSchema(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema);
  assert.ok(
    known.includes('keys.expires') && known.includes('metrics.listen') && known.includes('timeouts.first_byte'),
  );
  const free = ['aliases.', 'models.options.', 'models.pin.'];
  const named = pathsOfValue(parse(withAllOn))
    .filter((path) => !free.some((prefix) => path.startsWith(prefix)))
    .map((path) => path.replace('groups.lab', 'groups.*'));
  assert.deepEqual(named.toSorted(), known.toSorted());
});

test('the values of the example are the defaults', () => {
  const { keys, upstreams, ...rest } = parseConfig(text, 'example');
  assert.deepEqual([keys.length, upstreams?.length], [1, 1]);
  const { keys: _, ...defaults } = configSchema.parse({});
  assert.deepEqual(rest, defaults);
});

test('the example tells editors where its schema is', () => {
  assert.equal(text.split('\n', 1)[0], '# yaml-language-server: $schema=./llamaduct.schema.json');
});
