/** A load that is put on every contender. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What its CPU time is counted by. */
  readonly unit: 'token' | 'request';
  /** See `readLoad`. */
  readonly model: string;
  readonly streamed: boolean;
  readonly clients: number;
  /** Requests of each client. */
  readonly turns: number;
  /** Milliseconds over which the clients start. */
  readonly ramp: number;
  /** Requests before the measured ones, in all. */
  readonly warmUp: number;
  /** Where it is not the same. */
  readonly warmUpModel?: string;
  /** Bytes. */
  readonly prompt: number;
  /** Whether each run has a process of its own. Absent: one serves all rounds, and more before them, see {@link settling}. */
  readonly fresh?: boolean;
}

export const workloads: readonly Workload[] = [
  {
    name: 'realistic',
    title: '200 streams of 50 tokens a second',
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
    title: '200 streams of 20 lines at a time, 10 times a second',
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
    title: 'small requests that are not streamed, 16 at a time',
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
    title: '2,000 streams of 2 tokens a second',
    unit: 'token',
    model: 'bench-n20-i500-b1-t1',
    streamed: true,
    clients: 2_000,
    turns: 1,
    ramp: 5_000,
    // That its code has run; what many streams hold is what is measured.
    warmUp: 20,
    warmUpModel: 'bench-n20-i0-b1-t1',
    prompt: 400,
    // What one held before would be used again.
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
  slow: { title: '500 streams of 2 tokens a second', model: 'bench-n6-i500-b1-t1', clients: 500, ramp: 1_000 },
  long: { turns: 4, warmUp: 8 },
};

/** The same, for a minute instead of ten: enough to see that all of it works. */
export function shortened(workload: Workload): Workload {
  return { ...workload, ...short[workload.name] };
}

/** @param factor of requests that are measured */
export function scaled(workload: Workload, factor: number): Workload {
  return { ...workload, turns: Math.max(1, Math.round(workload.turns * factor)) };
}

/**
 * What a process serves before it is measured: V8 has compiled by then what requests pass through, as in all but the first
 * seconds of a proxy's life.
 */
export function settling(factor: number): readonly Workload[] {
  return workloads
    .filter(({ name }) => name === 'small' || name === 'saturation')
    .map((workload) => scaled({ ...workload, warmUp: 0 }, (workload.streamed ? 1 : 4) * factor));
}
