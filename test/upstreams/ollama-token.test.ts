import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { tokenIn } from '../../src/upstreams/ollama/token.ts';
import { recordings } from '../helpers/recordings.ts';

/** What a line is that has a piece of text and nothing else, by the full parser; undefined for all others. */
function parsed(line: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { message, done, model, created_at: created, ...rest } = value as Record<string, unknown>;
  const { role, content, ...more } = (message ?? {}) as Record<string, unknown>;
  const strings = [model, created, role, content].every((one) => typeof one === 'string');
  return strings && done === false && Object.keys({ ...rest, ...more }).length === 0 ? String(content) : undefined;
}

const lineOf = (content: string): string =>
  `{"model":"m:7b","created_at":"2026-11-21T12:00:00.123Z","message":{"role":"assistant","content":${content}},"done":false}`;

suite('the text of a line that has nothing else', () => {
  test('is what the full parser reads, in every recorded line', () => {
    let seen = 0;
    for (const { body } of recordings(/^(chat|generate)-.*stream/)) {
      for (const line of body.toString().split('\n')) {
        const token = tokenIn(line);
        if (token === undefined) continue;
        seen += 1;
        assert.equal(token, parsed(line), line);
      }
    }
    assert.ok(seen > 1000, String(seen));
  });

  test('is any text, however it is escaped', () => {
    const escaped = (text: string): string =>
      text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        assert.equal(tokenIn(lineOf(JSON.stringify(text))), text);
        assert.equal(tokenIn(lineOf(`"${escaped(text)}"`)), text);
      }),
    );
    assert.equal(tokenIn(lineOf('"\\"\\\\\\/\\b\\f\\n\\r\\t"')), '"\\/\b\f\n\r\t');
  });

  test('is nothing of what is not JSON, and of what has more to say', () => {
    for (const content of [
      '"',
      '"\\"',
      '"a"b"',
      '"\n"',
      '"\u0000"',
      '"\\x"',
      '"\\u12g4"',
      '"a","images":[]',
      '5',
      'null',
      '{}',
    ]) {
      assert.equal(tokenIn(lineOf(content)), undefined, content);
    }
    for (const line of [
      lineOf('"a"').replace('false', 'true'),
      lineOf('"a"').replace('"assistant"', '"tool"'),
      lineOf('"a"').replace('"done":false', '"done":false,"error":"x"'),
      lineOf('"a"').replace('"content"', '"thinking":"b","content"'),
      lineOf('"a"').replace('m:7b', 'm\\"'),
      `${lineOf('"a"')} `,
      ` ${lineOf('"a"')}`,
      lineOf('"a"') + lineOf('"a"'),
      lineOf(JSON.stringify('x'.repeat(10_000))),
    ]) {
      assert.equal(tokenIn(line), undefined, line.slice(0, 200));
    }
  });

  test('is never another than that of the full parser, whatever a line is made of', () => {
    const piece = fc.constantFrom(
      '"',
      '\\',
      '{',
      '}',
      ',',
      ':',
      'a',
      '\\"',
      '"content":',
      '"done":false}',
      '\\u0041',
      '\n',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const line = lineOf(`"${pieces.join('')}"`);
        const token = tokenIn(line);
        if (token !== undefined) assert.equal(token, parsed(line));
      }),
      { numRuns: 2_000 },
    );
  });
});
