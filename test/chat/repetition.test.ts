import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { RepetitionDetector } from '../../src/chat/filters/repetition.ts';

/** @returns after how many characters the repetition is recognised; undefined if it is not */
function recognisedAfter(text: string, pieceLength = 3): number | undefined {
  const detector = new RepetitionDetector();
  for (let at = 0; at < text.length; at += pieceLength) {
    if (detector.add(text.slice(at, at + pieceLength))) return at;
  }
  return undefined;
}

suite('a text that repeats itself', () => {
  for (const [name, unit] of [
    ['one character', '0'],
    ['a word', ' ha'],
    ['escapes', String.raw`\n`],
    ['a sentence', 'I will now call the tool to look up the weather in Seoul. '],
    ['a paragraph of 250 characters', `${'abcdefghij'.repeat(24)}0123456789`],
    ['spaces and line ends', ' \n  \n'],
  ] as const) {
    test(`is recognised: ${name}`, () => {
      for (const pieceLength of [1, 3, 7, 500]) {
        const after = recognisedAfter(`{"a":"Once upon a time${unit.repeat(10_000)}`, pieceLength);
        assert.ok(after !== undefined && after < 3_500, String(after));
      }
    });
  }

  test('is recognised by any white space', () => {
    const spaces = Array.from({ length: 4_000 }, (_, index) => (index % 7 === index % 5 ? '\n' : ' ')).join('');
    assert.ok((recognisedAfter(`{${spaces}`) ?? Infinity) < 2_000);
  });

  for (const [name, text] of [
    ['prose', Array.from({ length: 2_000 }, (_, index) => `Sentence ${index} is new. `).join('')],
    ['a list of numbers', JSON.stringify(Array.from({ length: 5_000 }, (_, index) => index))],
    ['a short table of zeros', JSON.stringify({ table: Array.from({ length: 500 }, () => 0), end: 1 })],
    ['rows with a counter', Array.from({ length: 1_000 }, (_, row) => `| ${row} | - | - | - |\n`).join('')],
  ] as const) {
    test(`is something else than ${name}`, () => assert.equal(recognisedAfter(text), undefined));
  }
});
