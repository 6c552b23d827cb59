import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Lists of CPUs in the format of taskset. */
export interface Pins {
  readonly contender: string;
  readonly helpers: string;
}

/** @returns undefined when there is no taskset, or only one CPU */
export function pins(): Pins | undefined {
  if (availableParallelism() < 2 || spawnSync('taskset', ['-c', '0', 'true']).error !== undefined) return undefined;
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const cpus = allowed.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
  const [contender, ...helpers] = cpus;
  return contender === undefined || helpers.length === 0
    ? undefined
    : { contender: String(contender), helpers: helpers.join(',') };
}

export interface SpawnOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The CPUs on which it may run. */
  readonly cpus?: string | undefined;
  /** File descriptor of its output. */
  readonly log: number;
  readonly ipc?: boolean;
}

const children = new Set<ChildProcess>();

/** Starts a process in its own process group. It is killed when this process exits. */
export function start(command: readonly string[], { env, cwd, cpus, log, ipc = false }: SpawnOptions): ChildProcess {
  const [program = '', ...args] = cpus === undefined ? command : ['taskset', '-c', cpus, ...command];
  const child = spawn(program, args, {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    detached: true,
    stdio: ['ignore', log, log, ...(ipc ? (['ipc'] as const) : [])],
  });
  children.add(child);
  child.on('exit', () => children.delete(child));
  // A process that could not be started has no pid.
  child.on('error', () => children.delete(child));
  return child;
}

export function hasExited(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // It has exited.
  }
}

/** Sends SIGTERM, and SIGKILL if the process does not exit within 15 seconds. */
export async function stop(child: ChildProcess): Promise<void> {
  if (hasExited(child)) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => signal(child, 'SIGKILL'), 15_000);
    child.once('exit', () => {
      clearTimeout(timer);
      // Also the processes that it started.
      signal(child, 'SIGKILL');
      resolve();
    });
    signal(child, 'SIGTERM');
  });
}

/** Kills every process that was started here when this process exits. */
export function killChildrenOnExit(): void {
  process.on('exit', () => {
    for (const child of children) signal(child, 'SIGKILL');
  });
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(name, () => process.exit(code));
  }
}

/** @returns the ids of a process and its descendants */
export function treeOf(pid: number): readonly number[] {
  const parents = readdirSync('/proc').flatMap((name) => {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : undefined;
    // The name of the program, in parentheses, may hold any character.
    const parent = Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return stat === undefined ? [] : [[Number(name), parent] as const];
  });
  const tree = [pid];
  for (const ancestor of tree) {
    tree.push(...parents.filter(([, parent]) => parent === ancestor).map(([child]) => child));
  }
  return tree;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has exited.
    return undefined;
  }
}

/** @returns the CPU time of processes in microseconds. Linux only. */
export function cpuOf(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`)?.split(' ')[0] ?? 0);
    }
  }
  return nanoseconds / 1_000;
}

/** @returns the resident memory of processes in bytes. Linux only. */
export function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const kibibytes = /^VmRSS:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0;
    return sum + Number(kibibytes) * 1024;
  }, 0);
}
