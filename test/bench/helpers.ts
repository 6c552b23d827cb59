import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Asked, Job, Load, Told } from './job.ts';
import { hasEnded, start } from './processes.ts';
import type { Listening } from './upstream.ts';

/** The two processes on either side of a contender. They stay for all rounds, so that they are warm. */
export interface Helpers {
  readonly upstreamPort: number;
  readonly upstreamPid: number;
  readonly loadPid: number;
  /** Puts a load on a contender; `stages` is called before it is measured, and once all streams are open. */
  run(job: Job, stages: { warm(): void; open(): void }): Promise<Load>;
}

/** @throws Error if one of them ends */
export async function startHelpers(models: readonly string[], log: number, cpus?: string): Promise<Helpers> {
  const fork = (file: string, args: readonly string[]): ChildProcess =>
    start([process.execPath, resolve(import.meta.dirname, file), ...args], { cpus, log, ipc: true });
  const upstream = fork('upstream.ts', models);
  const load = fork('load.ts', []);
  const [[{ port }]] = (await Promise.all([once(upstream, 'message'), once(load, 'message')])) as [[Listening], [Told]];
  return {
    upstreamPort: port,
    upstreamPid: upstream.pid ?? 0,
    loadPid: load.pid ?? 0,
    run: (job, stages) =>
      new Promise((resolve, reject) => {
        const ended = (): void => {
          settle();
          reject(new Error('the load generator or the upstream has ended'));
        };
        // It knows its deadline itself; this is for when it hangs.
        const late = setTimeout(() => reject(new Error('the load generator does not answer')), job.deadline + 30_000);
        const settle = (): void => {
          clearTimeout(late);
          load.off('message', onTold).off('exit', ended);
          upstream.off('exit', ended);
        };
        const onTold = (told: Told): void => {
          if (told.kind === 'warm') {
            stages.warm();
            load.send({ kind: 'go' } satisfies Asked);
          } else if (told.kind === 'open') stages.open();
          else if (told.kind === 'done') {
            settle();
            resolve(told.load);
          }
        };
        load.on('message', onTold).on('exit', ended);
        upstream.on('exit', ended);
        if (hasEnded(load) || hasEnded(upstream)) ended();
        else load.send({ kind: 'job', job } satisfies Asked);
      }),
  };
}
