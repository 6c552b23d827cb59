import type { Job, Load } from './job.ts';
import { secret } from './llamaduct.ts';
import { cpuOf, memoryOf, treeOf } from './processes.ts';
import type { Bench, Running } from './running.ts';
import { median } from './statistics.ts';
import type { Workload } from './workloads.ts';

/** The resources that a contender used for a load. Linux only. */
export interface Usage {
  /** CPU time in microseconds. */
  readonly cpu: number;
  /** Bytes after the warm-up and before the load. */
  readonly memoryBefore: number;
  /** Bytes while all streams were open. */
  readonly memory: number;
}

export interface Measure {
  readonly load: Load;
  /** Absent without a proxy, and on systems other than Linux. */
  readonly usage?: Usage;
  /** CPU time of the upstream and the load generator together, as a share of one CPU. */
  readonly helpersBusy?: number;
}

/** Milliseconds between samples of memory. */
const sampleEvery = 100;

/** Runs a workload against a contender. @throws {Error} when a helper exits */
export async function measure({ helpers }: Bench, workload: Workload, { port, pid }: Running): Promise<Measure> {
  const linux = process.platform === 'linux';
  let pids: readonly number[] = [];
  let [cpu, helpersCpu, memoryBefore] = [0, 0, 0];
  const samples: number[] = [];
  const helperPids = [helpers.upstreamPid, helpers.loadPid];
  let sampling: NodeJS.Timeout | undefined;
  const stages = {
    warm: () => {
      if (!linux) return;
      pids = pid === undefined ? [] : treeOf(pid);
      memoryBefore = memoryOf(pids);
      [cpu, helpersCpu] = [cpuOf(pids), cpuOf(helperPids)];
    },
    open: () => {
      samples.push(memoryOf(pids));
      sampling = setInterval(() => samples.push(memoryOf(pids)), sampleEvery);
    },
  };
  try {
    const load = await helpers.run(jobOf(workload, port), stages);
    if (!linux) return { load };
    const helpersBusy = (cpuOf(helperPids) - helpersCpu) / 1e6 / load.seconds;
    if (pid === undefined) return { load, helpersBusy };
    const usage = { cpu: cpuOf(pids) - cpu, memoryBefore, memory: median(samples) };
    return { load, usage, helpersBusy };
  } finally {
    clearInterval(sampling);
  }
}

function jobOf(workload: Workload, port: number): Job {
  const { model, warmUpModel = model, ...rest } = workload;
  return { ...rest, model, warmUpModel, port, key: secret, deadline: 300_000 };
}
