import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { LoadTimes } from '../../src/pool/models/load-times.ts';
import { skipTime } from '../helpers/clock.ts';

const minute = 60_000;
const canonical = (model: string): string => (model.includes(':') ? model : `${model}:latest`);

/** Lets the server answer. @param load seconds that it reports for loading */
function answer(times: LoadTimes, model: string, load: number): void {
  times.began();
  times.ended(model, { usage: { inputTokens: 1, outputTokens: 1 }, timings: { load } });
}

suite('the limit of the time to the first token', () => {
  test('is ten minutes longer for a model that may have to be loaded', () => {
    const times = new LoadTimes(canonical);
    assert.equal(times.limit('m', 0), 12 * minute);
    answer(times, 'm', 0.05);
    assert.equal(times.limit('m', 0), 12 * minute, 'the server does not report what is in memory');
    times.inMemory(undefined);
    assert.equal(times.limit('m', 0), 12 * minute);
  });

  test('contains no load of a model that has answered and is in memory', () => {
    const times = new LoadTimes(canonical);
    times.inMemory(['m:latest']);
    assert.equal(times.limit('m', 0), 12 * minute, 'it may be loading');
    answer(times, 'm', 0.05);
    assert.equal(times.limit('m', 0), 2 * minute);
    times.inMemory([]);
    times.inMemory(['m:latest']);
    assert.equal(times.limit('m', 0), 12 * minute, 'it was unloaded');
  });

  test('is three times the slowest load that was reported for the model', () => {
    const times = new LoadTimes(canonical);
    times.inMemory(['m:latest']);
    for (const load of [20, 100, 0.05]) answer(times, 'm', load);
    assert.equal(times.limit('m', 0), 2 * minute + 300_000);
    assert.equal(times.limit('other', 0), 12 * minute);
    answer(times, 'small', 1.5);
    assert.equal(times.limit('small', 0), 2 * minute + 30_000);
  });

  test('grows with the prompt', () => {
    const times = new LoadTimes(canonical);
    assert.equal(times.firstLook(10_000), 2 * minute + 500_000);
  });

  test('is not over while the server answers others', (t) => {
    const times = new LoadTimes(canonical);
    const since = performance.now();
    skipTime(t, 13 * minute);
    assert.equal(times.extension('m', 0, since), 0);
    times.began();
    assert.equal(times.extension('m', 0, since), 12 * minute);
    times.ended('other', undefined);
    skipTime(t, 10 * minute);
    const left = times.extension('m', 0, since);
    assert.ok(left > 0 && left <= 2 * minute + 1, String(left));
    skipTime(t, 2 * minute + 1);
    assert.equal(times.extension('m', 0, since), 0);
  });
});
