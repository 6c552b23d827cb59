import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../helpers/free-port.ts';
import type { Contender, Place } from './contenders.ts';
import type { Helpers } from './helpers.ts';
import { type Pins, hasExited, start, stop } from './processes.ts';

export interface Bench {
  readonly folder: string;
  readonly helpers: Helpers;
  readonly pins?: Pins | undefined;
}

/** A started contender. */
export interface Running {
  readonly port: number;
  /** Absent without a proxy. */
  readonly pid?: number | undefined;
  /** @returns the end of its log */
  log(): string;
  stop(): Promise<void>;
}

/** Milliseconds until it listens. */
const startsWithin = 60_000;

/** Starts a contender. @param label names its files @throws {Error} with the end of its log when it does not listen */
export async function run(bench: Bench, contender: Contender, label: string): Promise<Running> {
  const { helpers, folder, pins } = bench;
  if (contender.start === undefined) {
    return { port: helpers.upstreamPort, log: () => '', stop: async () => await Promise.resolve() };
  }
  const place: Place = { label, folder, port: await freePort(), upstream: `http://127.0.0.1:${helpers.upstreamPort}` };
  const logFile = join(folder, `${label}.log`);
  const log = openSync(logFile, 'w');
  const { command, cwd, env } = contender.start(place);
  const child = start(command, {
    cwd: cwd ?? folder,
    cpus: pins?.contender,
    log,
    env: {
      ...env,
      NODE_ENV: 'production',
      HOME: process.env['HOME'],
      PORT: String(place.port),
      UPSTREAM: place.upstream,
    },
  });
  const running: Running = {
    port: place.port,
    pid: child.pid,
    log: () => readFileSync(logFile, 'utf8').slice(-2_000),
    stop: async () => {
      await stop(child);
      closeSync(log);
    },
  };
  const deadline = performance.now() + startsWithin;
  while (!(await listens(place.port))) {
    const failure = hasExited(child) ? 'it exited before it listened' : 'it does not listen';
    if (hasExited(child) || performance.now() > deadline) {
      await running.stop();
      throw new Error(`${label}: ${failure}\n${running.log()}`);
    }
    await sleep(50);
  }
  return running;
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
