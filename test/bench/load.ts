import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from './client.ts';
import type { Job, Load, LoadCommand, LoadReport } from './job.ts';
import { microseconds, readLoad } from './model.ts';
import { requestOf } from './prompt.ts';
import { spreadOf } from './statistics.ts';
import { type Measured, bodyMismatch, expectedOf, streamVerifier } from './verifier.ts';

/** Called as a job proceeds. */
export interface Stages {
  /** Called before the measured part, which begins when the promise resolves. */
  readonly warm: () => Promise<void>;
  readonly open: () => void;
}

/** Runs the clients of a job. Incorrect responses do not end it: they are counted. */
export async function runJob(job: Job, { warm, open }: Stages): Promise<Load> {
  const end = performance.now() + job.deadline;
  const clients = Array.from({ length: job.clients }, () => createClient(job.port));
  const errors: Record<string, number> = {};
  try {
    const perClient = Math.ceil(job.warmUp / job.clients);
    const warming = clients.slice(0, Math.ceil(job.warmUp / Math.max(1, perClient)));
    await phase(job, job.warmUpModel, warming, perClient, job.ramp / 4, { end, errors });
    // Work that the warm-up left, such as rows to write, must not count for the measured part.
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
  if (load === undefined) throw new Error(`'${model}' does not describe a load`);
  const expected = expectedOf(load);
  const request = requestOf({ ...job, model });
  let withoutText = clients.length;
  const onFirstText = (): void => {
    withoutText -= 1;
    if (withoutText === 0) open?.();
  };
  const sendOne = async (client: Client, first: boolean): Promise<void> => {
    const start = microseconds();
    const verifier = streamVerifier(expected, { start, ...(measured !== undefined && { into: measured }) });
    let status = 0;
    let body = '';
    let awaitsText = first;
    await client.send(
      request,
      {
        head: (code) => (status = code),
        body: (text, now) => {
          if (awaitsText) onFirstText();
          awaitsText = false;
          if (job.streamed && status === 200) verifier.feed(text, now);
          else body += text;
        },
      },
      end,
    );
    if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 200)}`);
    const mismatch = job.streamed ? verifier.mismatch() : bodyMismatch(expected, body);
    if (mismatch !== undefined) throw new Error(mismatch);
    if (!job.streamed) measured?.firsts.push(microseconds() - start);
  };
  const start = performance.now();
  await Promise.all(
    clients.map(async (client, index) => {
      const wait = start + (ramp * index) / clients.length - performance.now();
      if (wait > 0) await sleep(wait);
      for (let left = turns; left > 0 && performance.now() < end; left -= 1) {
        await sendOne(client, left === turns).catch((error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          errors[message] = (errors[message] ?? 0) + 1;
        });
      }
    }),
  );
  if (performance.now() >= end) errors['the job did not end before its deadline'] = 1;
}

if (import.meta.main) {
  const report = (message: LoadReport): void => void process.send?.(message);
  let go: (() => void) | undefined;
  process.on('message', (command: LoadCommand) => {
    if (command.kind === 'go') return go?.();
    const warm = async (): Promise<void> => {
      const released = new Promise<void>((resolve) => {
        go = resolve;
      });
      report({ kind: 'warm' });
      await released;
    };
    const open = (): void => report({ kind: 'open' });
    void runJob(command.job, { warm, open }).then((load) => report({ kind: 'done', load }));
  });
  process.on('disconnect', () => process.exit(0));
  report({ kind: 'ready' });
}
