import type { Spread } from './statistics.ts';

/** What the load generator is asked to do: some clients, each of which asks again when its answer has come. */
export interface Job {
  readonly port: number;
  readonly model: string;
  readonly key: string;
  readonly streamed: boolean;
  /** Bytes of a prompt. */
  readonly prompt: number;
  readonly clients: number;
  /** Requests of each client that are measured. */
  readonly turns: number;
  /** Milliseconds over which the clients start. */
  readonly ramp: number;
  /** Requests in all before those, of which nothing is measured but every event parsed. */
  readonly warmUp: number;
  readonly warmUpModel: string;
  /** Milliseconds that all of it may take. */
  readonly deadline: number;
}

/** Times in microseconds. */
export interface Load {
  readonly requests: number;
  readonly tokens: number;
  readonly seconds: number;
  /** From a request to the first of its text; of what is not streamed, to its end. */
  readonly first: Spread;
  readonly gap: Spread;
  readonly transit: Spread;
  /** What went wrong, and how often. */
  readonly errors: Readonly<Record<string, number>>;
}

/** From the load generator. `warm`: it waits for `go`. `open`: every client has had text of its answer. */
export type Told = { readonly kind: 'ready' | 'warm' | 'open' } | { readonly kind: 'done'; readonly load: Load };

/** To the load generator. */
export type Asked = { readonly kind: 'job'; readonly job: Job } | { readonly kind: 'go' };
