/** A load under which every contender is measured. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** The CPU time is divided by the number of these. */
  readonly unit: 'token' | 'request';
  /** Describes the load, see `readLoad`. */
  readonly model: string;
  readonly streamed: boolean;
  readonly clients: number;
  /** Requests of each client. */
  readonly turns: number;
  /** Milliseconds over which the clients start. */
  readonly ramp: number;
  /** Requests of all clients before the measured ones. */
  readonly warmUp: number;
  /** Absent: as `model`. */
  readonly warmUpModel?: string;
  /** Bytes of the prompt. */
  readonly prompt: number;
  /** True when each run starts a new process. Absent: one process serves all rounds, and requests before them, see {@link settling}. */
  readonly fresh?: boolean;
}

export const workloads: readonly Workload[] = [
  {
    name: 'realistic',
    title: '200 streams of 50 tokens per second',
    unit: 'token',
    model: 'bench-n100-i20-b1-t1',
    streamed: true,
    clients: 200,
    turns: 2,
    ramp: 1_000,
    warmUp: 200,
    prompt: 400,
  },
  {
    name: 'saturation',
    title: '64 streams without pause',
    unit: 'token',
    model: 'bench-n200-i0-b1',
    streamed: true,
    clients: 64,
    turns: 20,
    ramp: 50,
    warmUp: 256,
    prompt: 400,
  },
  {
    name: 'bursts',
    title: '200 streams of 20 tokens at a time, 10 times per second',
    unit: 'token',
    model: 'bench-n200-i100-b20-t1',
    streamed: true,
    clients: 200,
    turns: 3,
    ramp: 200,
    warmUp: 200,
    prompt: 400,
  },
  {
    name: 'small',
    title: 'small requests, not streamed, 16 at a time',
    unit: 'request',
    model: 'bench-n10-i0-b1',
    streamed: false,
    clients: 16,
    turns: 375,
    ramp: 50,
    warmUp: 1_000,
    prompt: 400,
  },
  {
    name: 'new',
    title: 'the first small requests of a new process',
    unit: 'request',
    model: 'bench-n10-i0-b1',
    streamed: false,
    clients: 10,
    turns: 20,
    ramp: 50,
    warmUp: 0,
    prompt: 400,
    fresh: true,
  },
  {
    name: 'slow',
    title: '2,000 streams of 2 tokens per second',
    unit: 'token',
    model: 'bench-n20-i500-b1-t1',
    streamed: true,
    clients: 2_000,
    turns: 1,
    ramp: 5_000,
    // Enough to have run the code once: memory per stream is measured here, not CPU time.
    warmUp: 20,
    warmUpModel: 'bench-n20-i0-b1-t1',
    prompt: 400,
    // A process would reuse memory of earlier rounds.
    fresh: true,
  },
  {
    name: 'long',
    title: 'prompts of 1 MB with short streams, 8 at a time',
    unit: 'request',
    model: 'bench-n10-i0-b1-p1000000',
    streamed: true,
    clients: 8,
    turns: 25,
    ramp: 50,
    warmUp: 32,
    prompt: 1_000_000,
    fresh: true,
  },
];

const short: Readonly<Record<string, Partial<Workload>>> = {
  realistic: { model: 'bench-n40-i20-b1-t1', turns: 1, ramp: 400, warmUp: 100 },
  saturation: { turns: 4, warmUp: 64 },
  bursts: { turns: 1, warmUp: 100 },
  small: { turns: 60, warmUp: 200 },
  slow: { title: '500 streams of 2 tokens per second', model: 'bench-n6-i500-b1-t1', clients: 500, ramp: 1_000 },
  long: { turns: 4, warmUp: 8 },
};

/** @returns the workload shortened, so that all take a minute instead of ten: enough to see that everything works */
export function shortened(workload: Workload): Workload {
  return { ...workload, ...short[workload.name] };
}

/** @returns the workload with its number of measured requests multiplied by `factor` */
export function scaled(workload: Workload, factor: number): Workload {
  return { ...workload, turns: Math.max(1, Math.round(workload.turns * factor)) };
}

/**
 * @returns the workloads that a process serves before it is measured, so that V8 has compiled its code, as in all but the
 *   first seconds of a proxy's life
 */
export function settling(factor: number): readonly Workload[] {
  return workloads
    .filter(({ name }) => name === 'small' || name === 'saturation')
    .map((workload) => scaled({ ...workload, warmUp: 0 }, (workload.streamed ? 1 : 4) * factor));
}
