import { type Entry, createEntry, type ServiceOutcome, type Work } from '../../src/scheduling/entry.ts';
import { Scheduler, type SchedulerOptions } from '../../src/scheduling/scheduler.ts';
import { random } from './random.ts';

/** Times in milliseconds of a simulated clock. */
export interface Scenario {
  readonly seed: number;
  /** The time in which requests arrive; the remaining ones are served after it. */
  readonly duration: number;
  readonly meanInterval: number;
  readonly parallel: number;
  readonly load: number;
  /** Mean tokens per request. */
  readonly meanTokens: number;
  /** Time per token. */
  readonly tokenTime: number;
}

export interface Job {
  readonly work: Work;
  readonly arrival: number;
  readonly tokens: number;
  readonly service: number;
  started: number;
  finished: number;
}

/** A queue discipline. */
export interface Policy {
  add(job: Job): void;
  next(now: number): Job | undefined;
  finish(job: Job, outcome: ServiceOutcome): void;
}

export interface Run {
  readonly jobs: readonly Job[];
  readonly swaps: number;
  /** The end of the last request. */
  readonly end: number;
}

const keys = Array.from({ length: 20 }, (_, rank) => ({ name: `user-${rank + 1}`, demand: 1 / (rank + 1) }));
const models = [
  { name: 'large', demand: 5 },
  { name: 'medium', demand: 3 },
  { name: 'small', demand: 2 },
];

/** The reported scenarios. The server loads a model in 8 s and generates 50 tokens per second for each request. */
export const scenarios: readonly { readonly name: string; readonly scenario: Omit<Scenario, 'seed'> }[] = [
  { name: '1 slot, 6 requests per minute', parallel: 1, meanInterval: 10_000 },
  { name: '1 slot, 10 requests per minute', parallel: 1, meanInterval: 6000 },
  { name: '4 slots, 20 requests per minute', parallel: 4, meanInterval: 3000 },
  { name: '4 slots, 30 requests per minute', parallel: 4, meanInterval: 2000 },
].map(({ name, ...load }) => ({
  name,
  scenario: { ...load, duration: 7_200_000, load: 8000, meanTokens: 200, tokenTime: 20 },
}));

/** Requests of 20 keys of equal weight with Zipf-distributed demand, for 3 models. Estimates are off by half. */
export function arrivals({ seed, duration, meanInterval, meanTokens, tokenTime }: Scenario): Job[] {
  const { exponential, lognormal, pick } = random(seed);
  const jobs: Job[] = [];
  for (let arrival = exponential(meanInterval); arrival < duration; arrival += exponential(meanInterval)) {
    const key = keys[pick(keys.map(({ demand }) => demand))]?.name ?? '';
    const model = models[pick(models.map(({ demand }) => demand))]?.name ?? '';
    const tokens = lognormal(meanTokens, 0.8);
    const work: Work = { key, model, weight: 1, priority: 'interactive', cost: lognormal(tokens, 0.5) };
    jobs.push({ work, arrival, tokens, service: tokens * tokenTime, started: -1, finished: -1 });
  }
  return jobs;
}

/** Serves requests by a server that holds one model. */
export function simulate(scenario: Scenario, policy: Policy): Run {
  const jobs = arrivals(scenario);
  const running = new Set<Job>();
  let resident: string | undefined;
  let loadedAt = 0;
  let swaps = 0;
  let now = 0;
  const dispatch = (): void => {
    for (let job = policy.next(now); job !== undefined; job = policy.next(now)) {
      if (job.started >= 0) throw new Error('dispatched twice');
      if (running.size >= scenario.parallel) throw new Error('too many in flight');
      if (job.work.model !== resident) {
        if (running.size > 0) throw new Error('swapped under a running request');
        resident = job.work.model;
        loadedAt = now + scenario.load;
        swaps += 1;
      }
      job.started = Math.max(now, loadedAt);
      job.finished = job.started + job.service;
      running.add(job);
    }
  };
  const finish = (job: Job): void => {
    now = job.finished;
    running.delete(job);
    policy.finish(job, { cost: job.tokens, service: job.service });
    dispatch();
  };
  const finishUntil = (until: number): void => {
    for (let job = soonest(running); job !== undefined && job.finished <= until; job = soonest(running)) finish(job);
  };
  for (const job of jobs) {
    finishUntil(job.arrival);
    now = job.arrival;
    policy.add(job);
    dispatch();
  }
  finishUntil(Infinity);
  return { jobs, swaps, end: now };
}

function soonest(running: ReadonlySet<Job>): Job | undefined {
  let first: Job | undefined;
  for (const job of running) if (first === undefined || job.finished < first.finished) first = job;
  return first;
}

/** First come, first served, as a server does without a queue in front of it. */
export function firstCome({ parallel }: Scenario): Policy {
  const waiting: Job[] = [];
  let running = 0;
  let model: string | undefined;
  return {
    add: (job) => void waiting.push(job),
    next: () => {
      const [job] = waiting;
      if (job === undefined || running === parallel || (running > 0 && job.work.model !== model)) return undefined;
      running += 1;
      model = job.work.model;
      return waiting.shift();
    },
    finish: () => void (running -= 1),
  };
}

/** The scheduler; with `maxExtraWait: 0` it is plain deficit round robin. */
export function scheduled(
  { parallel, load }: Scenario,
  options: Partial<SchedulerOptions> = {},
): Policy & { readonly scheduler: Scheduler } {
  const scheduler = new Scheduler({
    parallel,
    slots: 1,
    maxExtraWait: 60_000,
    batchShare: 8,
    quantum: 1,
    maxEarly: 1000,
    serviceTime: 5000,
    loadTime: load,
    ...options,
  });
  const entries = new Map<Job, Entry>();
  const jobs = new Map<Entry, Job>();
  return {
    scheduler,
    add: (job) => {
      const entry = scheduler.add(job.work);
      entries.set(job, entry);
      jobs.set(entry, job);
    },
    next: (now) => {
      const entry = scheduler.next(now);
      return entry && jobs.get(entry);
    },
    finish: (job, outcome) => scheduler.finish(entries.get(job) ?? createEntry(job.work), outcome),
  };
}
