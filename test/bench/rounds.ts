import type { Contender } from './contenders.ts';
import { type Bench, type Measure, measure } from './measure.ts';
import type { Workload } from './workloads.ts';

/** One load that one contender had once. */
export interface Run {
  readonly round: number;
  readonly workload: string;
  readonly contender: string;
  readonly measure: Measure;
}

export interface Results {
  readonly runs: readonly Run[];
  /** What went wrong, in words. */
  readonly failures: readonly string[];
}

/** Whoever was first in a round is last in the next: a machine that slows down slows down all. */
function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const from = by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

/** Measures every contender under every workload, as often as there are rounds. */
export async function measureAll(
  bench: Bench,
  rounds: number,
  workloads: readonly Workload[],
  contenders: readonly Contender[],
): Promise<Results> {
  const runs: Run[] = [];
  const failures: string[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of workloads) {
      for (const contender of rotated(contenders, round - 1)) {
        const label = `${workload.name}-${round}-${contender.name}`;
        try {
          const measured = await measure(bench, contender, workload, label);
          const { errors } = measured.load;
          failures.push(...Object.entries(errors).map(([error, count]) => `${label}: ${count} times: ${error}`));
          runs.push({ round, workload: workload.name, contender: contender.name, measure: measured });
          process.stderr.write(`${label}: ${measured.load.seconds.toFixed(1)} s\n`);
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
          process.stderr.write(`${failures.at(-1)}\n`);
        }
      }
    }
  }
  return { runs, failures };
}
