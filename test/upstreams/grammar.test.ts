import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { JsonObject } from '../../src/chat/request.ts';
import { grammarPattern } from '../../src/upstreams/grammar-pattern.ts';
import { PatternBudget, grammarSchema } from '../../src/upstreams/grammar-schema.ts';

suite('a pattern for a grammar', () => {
  const safe = String.raw`"\\\x00-\x1F`;
  const patterns: readonly (readonly [pattern: string, rewritten: string | undefined])[] = [
    ['^[a-z]{2,5}$', '^[a-z]{2,5}$'],
    [String.raw`^\d{2}/\d{2}$`, '^[0-9]{2}/[0-9]{2}$'],
    [String.raw`^[\w.-]+$`, '^[A-Za-z0-9_.-]+$'],
    [String.raw`^v\d+\.\d+(-[a-z]+)?$`, '^v[0-9]+[.][0-9]+(-[a-z]+)?$'],
    [String.raw`^(?:a|b)\/(?<name>c)$`, '^(a|b)/(c)$'],
    [String.raw`^\S+@[^\s@]+$`, `^[^ ${safe}]+@[^ @${safe}]+$`],
    ['^.+?$', `^[^${safe}]+?$`],
    [String.raw`^\u0041\x42[ -~]$`, String.raw`^AB[ -!#-\[\]-~]$`],
    ['^{x}]$', String.raw`^[{]x[}][\]]$`],
    [String.raw`^[\d\s]*$`, '^[0-9 ]*$'],
    // Not anchored: a grammar matches whole strings only.
    [String.raw`\S`, undefined],
    ['^a', undefined],
    [String.raw`^a\$`, undefined],
    // What grammars do not have.
    ['^(?=a)b$', undefined],
    ['^(?<!a)b$', undefined],
    [String.raw`^(a)\1$`, undefined],
    [String.raw`^\bword$`, undefined],
    [String.raw`^\p{L}+$`, undefined],
    ['^[^]$', `^[^${safe}]$`],
    // What JSON would have to escape.
    ['^"a"$', undefined],
    [String.raw`^a\\b$`, undefined],
    [String.raw`^a\nb$`, undefined],
    // Too much, or not a pattern.
    ['^a{2000}$', undefined],
    ['^((a{50}){50}){50}$', undefined],
    [`^${'('.repeat(50)}a${')'.repeat(50)}$`, undefined],
    [`^${'a'.repeat(2000)}$`, undefined],
    ['^(a|)$', undefined],
    ['^()$', undefined],
    ['^*$', undefined],
    ['^a++$', undefined],
    ['^[a$', undefined],
    ['^(a$', undefined],
    ['^a)$', undefined],
    ['^$', undefined],
    ['', undefined],
  ];
  for (const [pattern, rewritten] of patterns) {
    test(`${pattern.slice(0, 60)} becomes ${String(rewritten)}`, () => {
      const lazy = rewritten?.replace('+?$', '+$');
      assert.equal(grammarPattern(pattern), lazy);
      if (lazy !== undefined) assert.equal(grammarPattern(lazy) === undefined, false, 'it can be rewritten again');
    });
  }

  test('matches no string that the original does not match', () => {
    const samples = ['12/34', 'a.b-c', 'v1.2-rc', 'a/c', 'x@y', 'x y', 'AB~', '{x}]', '1 2', 'ab', '', '"', '\\', 'é'];
    for (const [pattern, rewritten] of patterns) {
      if (rewritten === undefined) continue;
      for (const sample of samples) {
        if (new RegExp(rewritten, 'u').test(sample)) assert.match(sample, new RegExp(pattern), pattern);
      }
    }
  });
});

suite('a schema for a grammar', () => {
  const cases: readonly (readonly [name: string, schema: JsonObject, safe: JsonObject, dropped: string[]])[] = [
    [
      'a pattern with escapes is rewritten',
      { properties: { day: { type: 'string', pattern: String.raw`^\d+$` } } },
      { properties: { day: { type: 'string', pattern: '^[0-9]+$' } } },
      [],
    ],
    [
      'a pattern that cannot be rewritten is left out',
      { items: { anyOf: [{ type: 'string', pattern: String.raw`\S` }, { type: 'null' }] } },
      { items: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
      ['pattern'],
    ],
    [
      'huge repetitions are left out',
      { $defs: { text: { maxLength: 65_536, minLength: 1 } }, maxItems: 5000, minItems: 1000 },
      { $defs: { text: { minLength: 1 } }, minItems: 1000 },
      ['maxLength', 'maxItems'],
    ],
    [
      'keywords of a wrong type are left out',
      { maxLength: '5', minItems: -1, pattern: 3, format: {}, enum: [], anyOf: [], minimum: 1e300 },
      {},
      ['maxLength', 'minItems', 'pattern', 'format', 'enum', 'anyOf', 'minimum'],
    ],
    [
      'boolean schemas are replaced',
      { properties: { any: true, none: false }, prefixItems: [true], items: false },
      {
        properties: { any: { type: ['string', 'number', 'boolean', 'object', 'array', 'null'] } },
        prefixItems: [{ type: ['string', 'number', 'boolean', 'object', 'array', 'null'] }],
      },
      [],
    ],
    [
      'a property may have the name of a keyword',
      { properties: { pattern: { type: 'string' }, maxLength: { const: { pattern: 'x' } } } },
      { properties: { pattern: { type: 'string' }, maxLength: { const: { pattern: 'x' } } } },
      [],
    ],
  ];
  for (const [name, schema, safe, dropped] of cases) {
    test(name, () => assert.deepEqual(grammarSchema(schema), { schema: safe, dropped }));
  }

  test('patterns of more than 100,000 characters in all schemas of a request are left out', () => {
    const patterns = new PatternBudget();
    const schema = (count: number): JsonObject => ({
      anyOf: Array.from({ length: count }, () => ({ pattern: `^${'.'.repeat(98)}$` })),
    });
    const first = grammarSchema(schema(600), patterns);
    const second = grammarSchema(schema(600), patterns);
    assert.deepEqual([first.dropped, second.dropped], [[], ['pattern']]);
    const kept = (second.schema['anyOf'] as JsonObject[]).filter(({ pattern }) => pattern !== undefined);
    assert.equal(kept.length, 400);
  });

  test('one that is good already is the same object', () => {
    const schema = { type: 'object', properties: { a: { type: 'string', maxLength: 10 } }, required: ['a'] };
    assert.equal(grammarSchema(schema).schema, schema);
  });
});
