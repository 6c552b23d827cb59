import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readLoad } from './model.ts';
import { readOptions } from './options.ts';
import type { Run } from './rounds.ts';
import { median, middleOf, pairedDifferences, pairedRatios, percentile, spreadOf } from './statistics.ts';
import { summarize } from './summary.ts';
import { toTable } from './table.ts';
import { workloads } from './workloads.ts';

describe('statistics', () => {
  it('median: the middle value, or the mean of the two middle values', () => {
    assert.equal(median([10, 9, 2]), 9);
    assert.equal(median([10, 9, 2, 1]), 5.5);
    assert.equal(median([7]), 7);
    assert.ok(Number.isNaN(median([])));
  });

  it('percentile: the smallest value that covers the share', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    assert.equal(percentile(values, 0.5), 100);
    assert.equal(percentile(values, 0.99), 198);
    assert.equal(percentile([5], 0.99), 5);
    assert.deepEqual(spreadOf(values), { count: 200, p50: 100, p99: 198, max: 200 });
  });

  it('ratios and differences are taken round by round', () => {
    assert.deepEqual(pairedRatios([30, 20, 10], [10, 10, 5]), { median: 2, least: 2, most: 3 });
    // The ratio of the medians is 1.
    assert.deepEqual(pairedRatios([30, 8, 10], [10, 10, 20]), { median: 0.8, least: 0.5, most: 3 });
    assert.deepEqual(pairedRatios([30, undefined, 10], [10, 10, undefined]), { median: 3, least: 3, most: 3 });
    assert.deepEqual(pairedDifferences([30, 8], [10, 10]), { median: 9, least: -2, most: 20 });
    assert.equal(middleOf([undefined, NaN]), undefined);
  });
});

describe('the summary', () => {
  const workload = workloads.find(({ name }) => name === 'slow');
  assert.ok(workload);
  const run = (round: number, contender: string, cpu: number, first: number): Run => {
    const spread = { count: 1, p50: first, p99: first * 2, max: first * 3 };
    const load = { requests: 200, tokens: 20_000, seconds: 2, first: spread, gap: spread, transit: spread, errors: {} };
    const usage = { cpu, memoryBefore: 100e6, memory: 100e6 + cpu * 200 };
    return {
      round,
      workload: workload.name,
      contender,
      measure: contender === 'none' ? { load, helpersBusy: 1 } : { load, usage, helpersBusy: 1 },
    };
  };
  const runs = [
    run(1, 'none', 0, 100),
    run(1, 'raw', 500_000, 300),
    run(1, 'llamaduct', 600_000, 500),
    run(2, 'llamaduct', 1_300_000, 900),
    run(2, 'raw', 1_000_000, 400),
    run(2, 'none', 0, 200),
  ];

  it('divides CPU time by tokens, and compares contenders round by round', () => {
    const found = summarize(runs, workload, 'llamaduct', 1);
    assert.deepEqual(found.cpu, { median: 47.5, least: 30, most: 65 });
    assert.deepEqual(found.cpuTo, { raw: { median: 1.25, least: 1.2, most: 1.3 }, nginx: undefined, base: undefined });
    assert.deepEqual(found.firstOver.none.p50, { median: 550, least: 400, most: 700 });
    assert.deepEqual(found.firstOver.raw.p99, { median: 700, least: 400, most: 1000 });
    assert.deepEqual(found.memoryPerStream, { median: 95_000, least: 60_000, most: 130_000 });
    assert.equal(found.limitedByHelpers, true);
    assert.equal(summarize(runs, workload, 'llamaduct', 2).limitedByHelpers, false);
  });

  it('ignores rounds with incorrect responses', () => {
    const withErrors = runs.map((one): Run => {
      const { measure } = one;
      const failed = one.contender === 'llamaduct' && one.round === 1;
      return failed ? { ...one, measure: { ...measure, load: { ...measure.load, errors: { no: 1 } } } } : one;
    });
    assert.deepEqual(summarize(withErrors, workload, 'llamaduct', 1).cpuTo.raw, { median: 1.3, least: 1.3, most: 1.3 });
  });

  it('is printed as a table', () => {
    const contenders = ['none', 'raw', 'llamaduct'].map((name) => ({ name, title: name }));
    const summaries = contenders.map(({ name }) => summarize(runs, workload, name, 2));
    const lines = toTable(workload, contenders, summaries).split('\n');
    assert.match(lines.find((line) => line.startsWith('| llamaduct')) ?? '', /\| 47\.5 \(30\.0–65\.0\) \| 1\.25 \(/);
    assert.match(lines.find((line) => line.startsWith('| raw')) ?? '', /^\| raw \| 37\.5 \(25\.0–50\.0\) \|  \|/);
  });
});

describe('options', () => {
  it('are parsed', () => {
    const options = readOptions(['--only', 'small,slow', '--scale', '2', '--contender', 'go=exec x --port=$PORT']);
    assert.deepEqual(
      options?.workloads.map(({ name, turns }) => [name, turns]),
      [
        ['small', 750],
        ['slow', 2],
      ],
    );
    assert.deepEqual(
      options?.others.map(({ name }) => name),
      ['go'],
    );
    assert.equal(options?.rounds, 3);
    assert.equal(readOptions(['--smoke'])?.rounds, 1);
    assert.equal(readOptions(['--help']), undefined);
  });

  it('are rejected when they are invalid', () => {
    for (const args of [['--rounds', '0'], ['--scale', 'x'], ['--only', 'fast'], ['--contender', 'go'], ['--what']]) {
      assert.throws(() => readOptions(args), Error, args.join(' '));
    }
  });

  it('every workload has a model whose name describes a load', () => {
    for (const { model, warmUpModel = model } of workloads) assert.ok(readLoad(model) && readLoad(warmUpModel));
    assert.equal(readLoad('llama3'), undefined);
    assert.equal(readLoad('bench-x5'), undefined);
    assert.deepEqual(readLoad('bench-n5-i0.5-b2-d3-t1-p9:latest'), {
      tokens: 5,
      interval: 0.5,
      lines: 2,
      delay: 3,
      stamped: true,
      prompt: 9,
    });
  });
});
