import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build, checkOut, revision } from './base.ts';
import { contendersOf, root } from './contenders.ts';
import { startHelpers } from './helpers.ts';
import { type Options, readOptions, usage } from './options.ts';
import { killChildrenOnExit, pins } from './processes.ts';
import { measureAll } from './rounds.ts';
import { summarize } from './summary.ts';
import { toTable } from './table.ts';

/** @returns the exit code: 0 if every response was correct */
async function bench({ rounds, settle, workloads, base, others, json, profiles }: Options): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  if (profiles !== undefined) mkdirSync(profiles, { recursive: true });
  build(root);
  const contenders = contendersOf({
    base: base === undefined ? undefined : checkOut(base, folder),
    others,
    profiles: profiles === undefined ? undefined : resolve(profiles),
  });
  const pinned = pins();
  const models = workloads.flatMap(({ model, warmUpModel = model }) => [model, warmUpModel]);
  const log = openSync(join(folder, 'helpers.log'), 'w');
  const helpers = await startHelpers([...new Set(models)], log, pinned?.helpers);
  const { runs, failures } = await measureAll({ folder, helpers, pins: pinned }, rounds, settle, workloads, contenders);

  const helperCpus = pinned?.helpers.split(',').length ?? 2;
  const summaries = workloads.flatMap((workload) =>
    contenders.map(({ name }) => summarize(runs, workload, name, helperCpus)),
  );
  const about = {
    date: new Date().toISOString(),
    revision: revision(),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    pins: pinned ?? null,
    rounds,
  };
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ ...about, workloads, summaries, runs, failures }, undefined, 2)}\n`);
  }
  const pinning =
    pinned === undefined ? 'not pinned' : 'the proxy on one of them, the load generator and the upstream on the others';
  const lines = [
    `llamaduct ${about.revision ?? ''}, ${about.date.slice(0, 10)}, Node ${about.node}, ${about.cpu}: ${pinning}.`,
    `Medians of ${rounds} rounds (least–most); ratios and differences are computed round by round.`,
    ...(process.platform === 'linux' ? [] : ['CPU time and memory are measured on Linux only.']),
    '',
    ...workloads.map((workload) => toTable(workload, contenders, summaries)),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  for (const failure of failures) process.stderr.write(`FAIL ${failure}\n`);
  return failures.length === 0 ? 0 : 1;
}

killChildrenOnExit();
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(usage);
  // The helpers would keep the process alive.
  process.exit(options === undefined ? 0 : await bench(options));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}
