import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { mendInput } from '../../../../src/protocols/openai/grammars/index.ts';
import { readLark } from '../../../../src/protocols/openai/grammars/lark.ts';
import { Matcher, Uncheckable } from '../../../../src/protocols/openai/grammars/matcher.ts';
import { readRegex } from '../../../../src/protocols/openai/grammars/regex.ts';

type Case = readonly [grammar: string, matching: readonly string[], others: readonly string[]];

const regexes: Case[] = [
  ['^[0-9]+$', ['0', '123'], ['', '12a', ' 1']],
  ['[0-9]+', ['12'], ['x12']],
  ['a|bc', ['a', 'bc'], ['ab', 'abc', '']],
  ['(ab){2,3}c?', ['abab', 'abababc'], ['ab', 'abababab']],
  ['a{2}', ['aa'], ['a', 'aaa']],
  ['a{2,}b', ['aab', 'aaaab'], ['ab']],
  ['[^a-c\\]]', ['d', '[', 'ä'], ['a', ']', '']],
  ['[]a-]+', [']a-'], ['b']],
  ['\\d{4}-\\d{2}', ['2026-11'], ['2026-1', '2026_11']],
  ['(?P<year>\\d+)', ['1'], ['a']],
  ['(?:x|y)*?z', ['z', 'xyz'], ['xy']],
  ['(?i)select .+', ['SELECT a', 'select *'], ['drop a']],
  ['a(?i:b)c', ['abc', 'aBc'], ['Abc', 'aBC']],
  ['(?s).*', ['a\nb', ''], []],
  ['.*', ['ab', '🌵'], ['a\nb']],
  ['\\x41\\u0042\\u{43}\\.\\n', ['ABC.\n'], ['ABCx\n']],
  ['\\A\\w+\\z', ['ab_1'], ['a b']],
  ['a\\$', ['a$'], ['a']],
  ['', [''], ['a']],
];

const patch = [
  'start: begin hunk+ end',
  'begin: "*** Begin Patch" LF',
  'end: "*** End Patch" LF?',
  'hunk: add_hunk | delete_hunk',
  'add_hunk: "*** Add File: " filename LF add_line+',
  'delete_hunk: "*** Delete File: " filename LF',
  'filename: /(.+)/',
  'add_line: "+" /(.*)/ LF -> line',
  '',
  '%import common.LF',
].join('\n');

const larks: Case[] = [
  ['start: "a" /b+/ | "c"i', ['ab', 'abb', 'c', 'C'], ['a', 'abc']],
  ['start: "a".."c" ~ 2..3', ['ab', 'cba'], ['a', 'abca', 'ad']],
  ['start: ["-"] INT ("," INT)*\n%import common.INT', ['1', '-1,22'], ['-', '1,']],
  ['// a comment\n?start: x // more\n  | y\n!x: "x"\nY.2: /y\\/z/\ny: Y', ['x', 'y/z'], ['z']],
  ['start: "\\"\\n"', ['"\n'], ['"']],
  [patch, ['*** Begin Patch\n*** Add File: a\n+x\n+\n*** End Patch'], ['*** Begin Patch\n*** End Patch', 'a']],
];

suite('grammars of custom tools', () => {
  for (const [kind, read, cases] of [
    ['regular expression', readRegex, regexes],
    ['Lark grammar', readLark, larks],
  ] as const) {
    for (const [grammar, matching, others] of cases) {
      test(`the ${kind} ${JSON.stringify(grammar).slice(0, 60)} matches whole texts`, () => {
        const matcher = new Matcher(read(grammar));
        for (const text of matching) assert.equal(matcher.matches(text), true, JSON.stringify(text));
        for (const text of others) assert.equal(matcher.matches(text), false, JSON.stringify(text));
      });
    }
  }

  for (const pattern of [
    '(',
    'a)',
    '[',
    '[a',
    '*a',
    'a**',
    '(?=a)b',
    '\\1',
    '\\bword',
    'a^b',
    'a$b',
    '\\',
    '(?<!a)b',
  ]) {
    test(`the regular expression ${pattern} is not checked`, () => {
      assert.throws(() => readRegex(pattern), Uncheckable);
    });
  }

  for (const grammar of [
    '',
    'other: "a"',
    'start: start "a" | "b"',
    'start: a\na: b\nb: a',
    'start: missing',
    'start: "a" "b"\n%ignore " "',
    'start: "a"\n%import python.NAME',
    'start{x}: x',
    'start: ("a"',
    'start: "a" & "b"',
  ]) {
    test(`the Lark grammar ${JSON.stringify(grammar)} is not checked`, () => {
      assert.throws(() => readLark(grammar), Uncheckable);
    });
  }

  test('take bounded time and memory, whatever they are', () => {
    assert.throws(() => new Matcher(readRegex('(a{1000}){1000}')), Uncheckable);
    assert.throws(() => readRegex('('.repeat(10_000)), Uncheckable);
    assert.throws(() => new Matcher(readRegex('a?'.repeat(10_000))), Uncheckable);
    const doubling = Array.from({ length: 60 }, (_, index) => `r${index}: r${index + 1} r${index + 1}`).join('\n');
    assert.throws(() => new Matcher(readLark(`start: r0\n${doubling}\nr60: "a"`)), Uncheckable);
    const backtracking = new Matcher(readRegex('(a+)+b'));
    assert.equal(backtracking.matches('a'.repeat(50_000)), false);
    assert.equal(new Matcher(readRegex(`(${'a?'.repeat(1_000)})*b`)).matches('a'.repeat(200_000)), undefined);
  });
});

suite('an input that does not match its grammar', () => {
  const format = { type: 'grammar', syntax: 'lark', definition: patch };
  const valid = '*** Begin Patch\n*** Delete File: a\n*** End Patch';

  for (const [name, input] of [
    ['is in a code fence', `\`\`\`diff\n${valid}\n\`\`\``],
    ['has lines around it', `\n${valid}\n\n`],
    ['has the line ends of Windows', valid.replaceAll('\n', '\r\n')],
  ] as const) {
    test(`is mended if it ${name}`, () => {
      assert.equal(mendInput(input, format).trimEnd(), valid);
    });
  }

  test('stays as it is if nothing mends it, if it is valid, or if there is no grammar to check', () => {
    const fenced = '```\n12\n```';
    assert.equal(mendInput(valid, format), valid);
    assert.equal(mendInput('nonsense', format), 'nonsense');
    for (const other of [
      undefined,
      { type: 'text' },
      { type: 'grammar', syntax: 'regex', definition: '(?=a)' },
      { type: 'grammar' },
    ]) {
      assert.equal(mendInput(fenced, other), fenced);
    }
    assert.equal(mendInput(fenced, { type: 'grammar', syntax: 'regex', definition: '\\d+' }), '12');
    assert.equal(mendInput(fenced, { type: 'grammar', grammar: { syntax: 'regex', definition: '\\d+' } }), '12');
  });
});
