import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Job, Load, LoadCommand, LoadReport } from './job.ts';
import { hasExited, start } from './processes.ts';
import type { Listening } from './upstream.ts';

/** The load generator and the upstream. They run for all rounds, so that V8 has compiled their code. */
export interface Helpers {
  readonly upstreamPort: number;
  readonly upstreamPid: number;
  readonly loadPid: number;
  /** Runs a load. Calls `warm` before the measured part, and `open` once all streams are open. */
  run(job: Job, stages: { warm(): void; open(): void }): Promise<Load>;
}

/** @param log file descriptor of their output @throws {Error} when one of them exits */
export async function startHelpers(models: readonly string[], log: number, cpus?: string): Promise<Helpers> {
  const fork = (file: string, args: readonly string[]): ChildProcess =>
    start([process.execPath, resolve(import.meta.dirname, file), ...args], { cpus, log, ipc: true });
  const upstream = fork('upstream.ts', models);
  const load = fork('load.ts', []);
  const [[{ port }]] = (await Promise.all([once(upstream, 'message'), once(load, 'message')])) as [
    [Listening],
    [LoadReport],
  ];
  return {
    upstreamPort: port,
    upstreamPid: upstream.pid ?? 0,
    loadPid: load.pid ?? 0,
    run: (job, stages) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => {
          settle();
          reject(new Error('the load generator or the upstream has exited'));
        };
        // The load generator keeps the deadline itself, unless it hangs.
        const timer = setTimeout(() => reject(new Error('the load generator does not answer')), job.deadline + 30_000);
        const settle = (): void => {
          clearTimeout(timer);
          load.off('message', onReport).off('exit', onExit);
          upstream.off('exit', onExit);
        };
        const onReport = (report: LoadReport): void => {
          if (report.kind === 'warm') {
            stages.warm();
            load.send({ kind: 'go' } satisfies LoadCommand);
          } else if (report.kind === 'open') stages.open();
          else if (report.kind === 'done') {
            settle();
            resolve(report.load);
          }
        };
        load.on('message', onReport).on('exit', onExit);
        upstream.on('exit', onExit);
        if (hasExited(load) || hasExited(upstream)) onExit();
        else load.send({ kind: 'job', job } satisfies LoadCommand);
      }),
  };
}
