import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram, Registry } from 'prom-client';
import { SeriesHistogram } from '../../src/telemetry/series.ts';

const options = { name: 'gap_seconds', help: 'Gaps.', buckets: [0.005, 0.01, 0.5] };
const observed = [0.001, 0.005, 0.0051, 0.01, 0.2, 0.5, 0.6, 7, 0];

test('exposes the same text as a histogram of prom-client', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const series = new SeriesHistogram(ours, options);
  const histogram = new Histogram({ ...options, labelNames: ['model', 'upstream'], registers: [theirs] });
  for (const labels of [
    { model: 'a', upstream: 'x' },
    { model: 'b"\\\n', upstream: 'x' },
  ]) {
    for (const value of observed) {
      series.of(labels).observe(value);
      histogram.observe(labels, value);
    }
  }
  assert.equal(await ours.metrics(), await theirs.metrics());
});

test('is exposed without observations, and can be registered only once', async () => {
  const registry = new Registry();
  const series = new SeriesHistogram(registry, options);
  assert.equal(await registry.metrics(), '# HELP gap_seconds Gaps.\n# TYPE gap_seconds histogram\n');
  assert.throws(() => new SeriesHistogram(registry, options), /already been registered/);
  assert.equal(series.of({ model: 'a' }), series.of({ model: 'a' }));
});
