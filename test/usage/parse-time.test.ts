import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parseTime } from '../../src/usage/parse-time.ts';
import { day, hour, noon } from './rows.ts';

suite('parseTime', () => {
  for (const [text, expected] of [
    ['7d', noon - 7 * day],
    ['24h', noon - day],
    ['90m', noon - 1.5 * hour],
    ['2w', noon - 14 * day],
    ['0h', noon],
    ['99999w', 0],
    ['2026-11-10', Date.UTC(2026, 10, 10)],
    ['2024-02-29', Date.UTC(2024, 1, 29)],
    ['2026-11-10T12:20:00Z', noon],
    ['2026-11-10T14:20+02:00', noon],
    ['2026-11-10T12:20:00.000Z', noon],
  ] as const) {
    test(`parses ${text}`, () => assert.equal(parseTime(text, noon), expected));
  }

  for (const text of [
    '',
    '7',
    'd',
    '-7d',
    '7 d',
    '7y',
    '1.5d',
    '999999d',
    'yesterday',
    '2026-02-31',
    '2026-02-29',
    '2026-13-01',
    '2026-11-10T12:20:00',
    '2026-11-10T25:00Z',
    '1960-01-01',
    '1731240000',
    ' 7d',
    '7d\n',
  ]) {
    test(`rejects ${JSON.stringify(text)}`, () => assert.equal(parseTime(text, noon), undefined));
  }
});
