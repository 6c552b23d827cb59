import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from './client.ts';
import type { Asked, Job, Load, Told } from './job.ts';
import { microseconds, readLoad } from './model.ts';
import { requestOf } from './prompt.ts';
import { spreadOf } from './statistics.ts';
import { type Measured, expectedOf, streamVerifier, wholeFault } from './verifier.ts';

/** What tells the parent where a job is. */
export interface Stages {
  /** Resolves when the measured part may begin. */
  readonly warm: () => Promise<void>;
  readonly open: () => void;
}

/** Runs the clients of a job. Faults of answers do not end it: they are counted. */
export async function runJob(job: Job, { warm, open }: Stages): Promise<Load> {
  const end = performance.now() + job.deadline;
  const clients = Array.from({ length: job.clients }, () => createClient(job.port));
  const errors: Record<string, number> = {};
  try {
    const perClient = Math.ceil(job.warmUp / job.clients);
    const warming = clients.slice(0, Math.ceil(job.warmUp / Math.max(1, perClient)));
    await phase(job, job.warmUpModel, warming, perClient, job.ramp / 4, { end, errors });
    // What the warm-up left to do, such as rows to write, is not the measured part's.
    await sleep(150);
    await warm();
    const measured: Measured = { firsts: [], gaps: [], transits: [] };
    const start = performance.now();
    await phase(job, job.model, clients, job.turns, job.ramp, { end, errors, measured, open });
    const requests = job.clients * job.turns;
    return {
      requests,
      tokens: requests * (readLoad(job.model)?.tokens ?? 0),
      seconds: (performance.now() - start) / 1_000,
      first: spreadOf(measured.firsts),
      gap: spreadOf(measured.gaps),
      transit: spreadOf(measured.transits),
      errors,
    };
  } finally {
    for (const client of clients) client.close();
  }
}

interface Phase {
  readonly end: number;
  readonly errors: Record<string, number>;
  readonly measured?: Measured;
  readonly open?: () => void;
}

async function phase(
  job: Job,
  model: string,
  clients: readonly Client[],
  turns: number,
  ramp: number,
  { end, errors, measured, open }: Phase,
): Promise<void> {
  const load = readLoad(model);
  if (load === undefined) throw new Error(`'${model}' tells no load`);
  const expected = expectedOf(load);
  const request = requestOf({ ...job, model });
  let silent = clients.length;
  const heard = (): void => {
    silent -= 1;
    if (silent === 0) open?.();
  };
  const turn = async (client: Client, first: boolean): Promise<void> => {
    const start = microseconds();
    const verifier = streamVerifier(expected, { start, ...(measured !== undefined && { into: measured }) });
    let status = 0;
    let whole = '';
    let unheard = first;
    await client.ask(
      request,
      {
        head: (code) => (status = code),
        body: (text, now) => {
          if (unheard) heard();
          unheard = false;
          if (job.streamed && status === 200) verifier.feed(text, now);
          else whole += text;
        },
      },
      end,
    );
    if (status !== 200) throw new Error(`status ${status}: ${whole.slice(0, 200)}`);
    const fault = job.streamed ? verifier.fault() : wholeFault(expected, whole);
    if (fault !== undefined) throw new Error(fault);
    if (!job.streamed) measured?.firsts.push(microseconds() - start);
  };
  const start = performance.now();
  await Promise.all(
    clients.map(async (client, index) => {
      const wait = start + (ramp * index) / clients.length - performance.now();
      if (wait > 0) await sleep(wait);
      for (let left = turns; left > 0 && performance.now() < end; left -= 1) {
        await turn(client, left === turns).catch((error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          errors[message] = (errors[message] ?? 0) + 1;
        });
      }
    }),
  );
  if (performance.now() >= end) errors['the load did not end in time'] = 1;
}

if (import.meta.main) {
  const tell = (told: Told): void => void process.send?.(told);
  let go: (() => void) | undefined;
  process.on('message', (asked: Asked) => {
    if (asked.kind === 'go') return go?.();
    const warm = async (): Promise<void> => {
      const gone = new Promise<void>((resolve) => {
        go = resolve;
      });
      tell({ kind: 'warm' });
      await gone;
    };
    void runJob(asked.job, { warm, open: () => tell({ kind: 'open' }) }).then((load) => tell({ kind: 'done', load }));
  });
  process.on('disconnect', () => process.exit(0));
  tell({ kind: 'ready' });
}
