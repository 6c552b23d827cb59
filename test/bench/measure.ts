import type { Job, Load } from './job.ts';
import { secret } from './llamaduct.ts';
import { cpuOf, memoryOf, treeOf } from './processes.ts';
import type { Bench, Running } from './running.ts';
import { median } from './statistics.ts';
import type { Workload } from './workloads.ts';

/** What a contender used for a load. Linux only. */
export interface Usage {
  /** Microseconds on a CPU, in all. */
  readonly cpu: number;
  /** Bytes before the load, after its warm-up; and while all streams were open. */
  readonly memoryBefore: number;
  readonly memory: number;
}

export interface Measure {
  readonly load: Load;
  /** Absent without a proxy, and where the system does not tell. */
  readonly usage?: Usage;
  /** Of one CPU, how busy the upstream and the load generator were together. */
  readonly helpersBusy?: number;
}

const sampleEvery = 100;

/** Puts a load on a contender. @throws Error */
export async function measure({ helpers }: Bench, workload: Workload, { port, pid }: Running): Promise<Measure> {
  const linux = process.platform === 'linux';
  let pids: readonly number[] = [];
  let [cpu, helpersCpu, memoryBefore] = [0, 0, 0];
  const samples: number[] = [];
  const aides = [helpers.upstreamPid, helpers.loadPid];
  let sampling: NodeJS.Timeout | undefined;
  const stages = {
    warm: () => {
      if (!linux) return;
      pids = pid === undefined ? [] : treeOf(pid);
      memoryBefore = memoryOf(pids);
      [cpu, helpersCpu] = [cpuOf(pids), cpuOf(aides)];
    },
    open: () => {
      samples.push(memoryOf(pids));
      sampling = setInterval(() => samples.push(memoryOf(pids)), sampleEvery);
    },
  };
  try {
    const load = await helpers.run(jobOf(workload, port), stages);
    if (!linux) return { load };
    const helpersBusy = (cpuOf(aides) - helpersCpu) / 1e6 / load.seconds;
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
