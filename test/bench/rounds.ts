import type { Contender } from './contenders.ts';
import { type Measure, measure } from './measure.ts';
import { type Bench, type Running, run } from './running.ts';
import { type Workload, settling } from './workloads.ts';

/** One measurement: a workload against a contender in one round. */
export interface Run {
  readonly round: number;
  readonly workload: string;
  readonly contender: string;
  readonly measure: Measure;
}

export interface Results {
  readonly runs: readonly Run[];
  /** Error messages. */
  readonly failures: readonly string[];
}

/** Rotates the order from round to round: a machine that slows down must not affect always the same contender. */
function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const from = by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
}

/** The processes that serve all rounds, one for each contender. */
class SettledProcesses {
  readonly #bench: Bench;
  readonly #running = new Map<Contender, Running>();

  constructor(bench: Bench) {
    this.#bench = bench;
  }

  /**
   * Starts a contender, unless it runs, and has it serve the requests that come before the first measurement.
   *
   * @throws {Error} when it does not start, or a response is incorrect
   */
  async start(contender: Contender, factor: number): Promise<Running> {
    const known = this.#running.get(contender);
    if (known !== undefined) return known;
    const running = await run(this.#bench, contender, contender.name);
    this.#running.set(contender, running);
    for (const workload of settling(factor)) {
      const { errors } = (await measure(this.#bench, workload, running)).load;
      const [first] = Object.entries(errors);
      if (first !== undefined) throw new Error(`before the first measurement, ${first[1]} times: ${first[0]}`);
    }
    return running;
  }

  /** @returns the end of its log; '' when it does not run */
  async stop(contender: Contender): Promise<string> {
    const running = this.#running.get(contender);
    this.#running.delete(contender);
    const log = running?.log() ?? '';
    await running?.stop();
    return log;
  }
}

/**
 * Measures every contender under every workload in every round.
 *
 * @param factor multiplies the number of requests that a process serves before it is measured
 */
export async function measureAll(
  bench: Bench,
  rounds: number,
  factor: number,
  workloads: readonly Workload[],
  contenders: readonly Contender[],
): Promise<Results> {
  const runs: Run[] = [];
  const failures: string[] = [];
  const settled = new SettledProcesses(bench);
  for (let round = 1; round <= rounds; round += 1) {
    for (const workload of workloads) {
      for (const contender of rotated(contenders, round - 1)) {
        const label = `${workload.name}-${round}-${contender.name}`;
        const fresh = workload.fresh === true;
        let running: Running | undefined;
        try {
          running = fresh ? await run(bench, contender, label) : await settled.start(contender, factor);
          const measured = await measure(bench, workload, running);
          const { errors } = measured.load;
          failures.push(...Object.entries(errors).map(([error, count]) => `${label}: ${count} times: ${error}`));
          runs.push({ round, workload: workload.name, contender: contender.name, measure: measured });
          process.stderr.write(`${label}: ${measured.load.seconds.toFixed(1)} s\n`);
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          const log = fresh ? running?.log() : await settled.stop(contender);
          failures.push(`${label}: ${message}\n${log ?? ''}`);
          process.stderr.write(`${failures.at(-1)}\n`);
        } finally {
          if (fresh) await running?.stop();
        }
      }
    }
  }
  for (const contender of contenders) await settled.stop(contender);
  return { runs, failures };
}
