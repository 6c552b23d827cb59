import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Ending } from '../../src/exchange/ending.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import { anonymous } from '../../src/policy/keys.ts';
import { LastHour } from '../../src/status/last-hour.ts';

const observers = { chunkGaps: () => ({ observe: () => undefined }), ended: () => undefined, stopped: () => undefined };

function requestOf(name: string): Exchange {
  const exchange = new Exchange('POST', undefined, observers);
  exchange.key = { ...anonymous, name };
  return exchange;
}

function ending(values: Partial<Ending> = {}): Ending {
  return {
    outcome: 'ok',
    failure: undefined,
    seconds: 2,
    secondsToFirstChunk: 0.5,
    usage: undefined,
    charged: { inputTokens: 3, outputTokens: 7 },
    ...values,
  };
}

suite('the last hour', () => {
  test('adds up requests by key and model, and by minute', () => {
    let now = 60_000 * 1_000;
    const hour = new LastHour(() => now);
    hour.add(requestOf('alice'), ending(), 'small');
    now += 60_000;
    hour.add(requestOf('alice'), ending({ secondsToFirstChunk: 1.5 }), 'small');
    hour.add(requestOf('bob'), ending({ outcome: 'upstream_error', secondsToFirstChunk: undefined }), 'small');
    const { by_key_and_model: lines, by_minute: minutes } = hour.state();
    assert.deepEqual(lines, [
      {
        key: 'alice',
        model: 'small',
        requests: 2,
        failed: 0,
        input_tokens: 6,
        output_tokens: 14,
        first_token: 1,
        queued: 0,
      },
      {
        key: 'bob',
        model: 'small',
        requests: 1,
        failed: 1,
        input_tokens: 3,
        output_tokens: 7,
        first_token: null,
        queued: 0,
      },
    ]);
    assert.deepEqual(
      minutes.map(({ at, requests }) => [at, requests]),
      [
        [60_000, 1],
        [60_060, 2],
      ],
    );
    assert.deepEqual(
      hour.state('bob').by_minute.map(({ at, requests }) => [at, requests]),
      [[60_060, 1]],
    );
  });

  test('forgets what is older than an hour', () => {
    let now = 60_000 * 1_000;
    const hour = new LastHour(() => now);
    hour.add(requestOf('alice'), ending(), 'small');
    now += 59 * 60_000;
    assert.equal(hour.state().by_minute.length, 1);
    now += 60_000;
    assert.deepEqual(hour.state(), { by_key_and_model: [], by_minute: [] });
  });

  test('counts keys beyond the first 500 of a minute together', () => {
    const hour = new LastHour(() => 0);
    for (let index = 0; index < 600; index += 1) hour.add(requestOf(`user-${index}`), ending(), 'small');
    const { by_key_and_model: lines, by_minute: minutes } = hour.state();
    assert.equal(minutes[0]?.requests, 600);
    assert.equal(lines.length, 500);
    assert.deepEqual([lines[0]?.key, lines[0]?.model, lines[0]?.requests], ['other', 'other', 100]);
  });

  test('shows a key that is named other nothing of keys beyond the first 500', () => {
    const hour = new LastHour(() => 0);
    for (let index = 0; index < 600; index += 1) hour.add(requestOf(`user-${index}`), ending(), 'small');
    assert.deepEqual(hour.state('other'), { by_key_and_model: [], by_minute: [] });
  });
});
