import { closeSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Place } from './contenders.ts';
import type { Helpers } from './helpers.ts';
import type { Job, Load } from './job.ts';
import { secret } from './llamaduct.ts';
import { type Pins, cpuOf, hasEnded, memoryOf, start, stop, treeOf } from './processes.ts';
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

export interface Bench {
  readonly folder: string;
  readonly helpers: Helpers;
  readonly pins?: Pins | undefined;
}

const startsWithin = 60_000;
const sampleEvery = 100;

/** Starts a contender, puts a load on it, and stops it. @throws Error with the end of its log */
export async function measure(bench: Bench, contender: Contender, workload: Workload, label: string): Promise<Measure> {
  const { helpers, folder } = bench;
  if (contender.start === undefined) return await underLoad(bench, workload, helpers.upstreamPort, undefined);
  const place: Place = { label, folder, port: await freePort(), upstream: `http://127.0.0.1:${helpers.upstreamPort}` };
  const logFile = join(folder, `${label}.log`);
  const log = openSync(logFile, 'w');
  const { command, cwd, env } = contender.start(place);
  const child = start(command, {
    cwd: cwd ?? folder,
    cpus: bench.pins?.contender,
    log,
    env: {
      ...env,
      NODE_ENV: 'production',
      HOME: process.env['HOME'],
      PORT: String(place.port),
      UPSTREAM: place.upstream,
    },
  });
  try {
    const deadline = performance.now() + startsWithin;
    while (!(await listens(place.port))) {
      if (hasEnded(child)) throw new Error('it ended before it listened');
      if (performance.now() > deadline) throw new Error('it does not listen');
      await sleep(50);
    }
    return await underLoad(bench, workload, place.port, child.pid);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${label}: ${message}\n${readFileSync(logFile, 'utf8').slice(-2_000)}`, { cause: error });
  } finally {
    await stop(child);
    closeSync(log);
  }
}

async function underLoad(bench: Bench, workload: Workload, port: number, pid?: number): Promise<Measure> {
  const { helpers } = bench;
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

/** One that nobody listens on; it is free for whoever comes next. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
