import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { microseconds, readLoad, stampOf, tokensOf } from './model.ts';
import { type Measured, expectedOf, streamVerifier, bodyMismatch } from './verifier.ts';

const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
const done = 'data: [DONE]\n\n';

const event = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;

/** @returns the events of a correct stream of this load, with one token each */
function eventsOf(model: string): string[] {
  const load = readLoad(model);
  assert.ok(load);
  const stamp = load.stamped ? stampOf(microseconds()) : '';
  return [...tokensOf(load).map((token) => event(stamp + token)), finish, done];
}

/** @param measured false: every event is parsed as JSON, as in the warm-up */
function mismatchOf(model: string, text: string, measured: boolean, size = Infinity): string | undefined {
  const load = readLoad(model);
  assert.ok(load);
  const into: Measured = { firsts: [], gaps: [], transits: [] };
  const verifier = streamVerifier(expectedOf(load), { start: microseconds(), ...(measured && { into }) });
  const bytes = Buffer.from(text).toString('latin1');
  try {
    for (let at = 0; at < bytes.length; at += size) verifier.feed(bytes.slice(at, at + size), microseconds());
  } catch (error) {
    return String(error);
  }
  return verifier.mismatch();
}

for (const model of ['bench-n40', 'bench-n40-t1']) {
  for (const measured of [true, false]) {
    describe(`the verifier of ${model}, ${measured ? 'measured' : 'warming up'}`, () => {
      const events = eventsOf(model);
      const mismatch = (changed: readonly string[]): string | undefined =>
        mismatchOf(model, changed.join(''), measured);

      it('accepts a complete stream, however it is cut', () => {
        for (const size of [1, 7, 64, 1000, Infinity]) {
          assert.equal(mismatchOf(model, events.join(''), measured, size), undefined);
        }
      });

      it('accepts other white space, and other events between', () => {
        const spaced = events.map((one) =>
          one.replaceAll(/"(choices|delta|content|finish_reason)":/g, '"$1": ').replaceAll('\n', '\r\n'),
        );
        const role = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n';
        const usage = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n';
        assert.equal(mismatch([': hello\n\n', role, ...spaced.slice(0, -1), usage, done]), undefined);
      });

      it('accepts tokens that arrive in one chunk', () => {
        const contents = events.slice(0, -2).map((one) => {
          const { choices } = JSON.parse(one.slice(6)) as { choices: [{ delta: { content: string } }] };
          return choices[0].delta.content;
        });
        assert.equal(mismatch([event(contents.join('')), finish, done]), undefined);
      });

      const incorrect: readonly (readonly [name: string, events: readonly string[], expected: RegExp])[] = [
        ['a missing first token', events.slice(1), /is "|byte 0/],
        ['a missing last token', events.toSpliced(39, 1), /incomplete/],
        ['a repeated token', events.toSpliced(5, 0, events[5] ?? ''), /token 6|byte/],
        ['a repeated last token', events.toSpliced(39, 0, events[39] ?? ''), /after the last|byte/],
        ['two swapped tokens', events.toSpliced(5, 2, events[6] ?? '', events[5] ?? ''), /token 5|byte/],
        ['a changed token', events.with(3, (events[3] ?? '').replace('fox', 'fax')), /fax/],
        ['no [DONE]', events.slice(0, -1), /\[DONE\] is missing/],
        ['no finish_reason', events.toSpliced(40, 1), /finish_reason is missing/],
        ['another finish_reason', events.with(40, finish.replace('stop', 'length')), /finish_reason is length/],
        ['a second finish_reason', events.toSpliced(40, 0, finish), /second finish_reason/],
        ['an event after [DONE]', [...events, finish], /after \[DONE\]/],
        ['an error', events.with(7, 'data: {"error":{"message":"it broke"}}\n\n'), /it broke/],
        ['an empty stream', [], /incomplete/],
      ];
      for (const [name, changed, expected] of incorrect) {
        it(`rejects ${name}`, () => assert.match(mismatch(changed) ?? 'no mismatch', expected));
      }
    });
  }
}

describe('the verifier', () => {
  it('rejects events that are not JSON while warming up', () => {
    const broken = eventsOf('bench-n40').map((one) => one.replace('}]}', '}]'));
    assert.match(mismatchOf('bench-n40', broken.join(''), false) ?? '', /SyntaxError/);
  });

  it('rejects a token without a stamp', () => {
    const events = eventsOf('bench-n40-t1').with(2, event(' brown brown brown brown'));
    assert.match(mismatchOf('bench-n40-t1', events.join(''), true) ?? '', /token 2 has no stamp/);
  });

  it('measures the first token, gaps and transits', () => {
    const load = readLoad('bench-n3-t1');
    assert.ok(load);
    const into: Measured = { firsts: [], gaps: [], transits: [] };
    const verifier = streamVerifier(expectedOf(load), { start: 1_000, into });
    tokensOf(load).forEach((token, index) => {
      verifier.feed(event(stampOf(1_500 + 100 * index) + token), 1_600 + 150 * index);
    });
    assert.deepEqual(into, { firsts: [600], gaps: [150, 150], transits: [100, 150, 200] });
  });

  it('compares bodies that are not streamed', () => {
    const load = readLoad('bench-n40');
    assert.ok(load);
    const expected = expectedOf(load);
    const answer = (content: string, reason: string): string =>
      Buffer.from(JSON.stringify({ choices: [{ message: { content }, finish_reason: reason }] })).toString('latin1');
    const text = tokensOf(load).join('');
    assert.equal(bodyMismatch(expected, answer(text, 'stop')), undefined);
    assert.match(bodyMismatch(expected, answer(text.slice(1), 'stop')) ?? '', /differs/);
    assert.match(bodyMismatch(expected, answer(text, 'length')) ?? '', /finish_reason is length/);
  });
});
