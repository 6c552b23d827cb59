import type { Spread } from './statistics.ts';

/** A task of the load generator: a number of clients, each of which sends one request after the other. */
export interface Job {
  readonly port: number;
  readonly model: string;
  readonly key: string;
  readonly streamed: boolean;
  /** Bytes of the prompt. */
  readonly prompt: number;
  readonly clients: number;
  /** Measured requests of each client. */
  readonly turns: number;
  /** Milliseconds over which the clients start. */
  readonly ramp: number;
  /** Requests of all clients before those: not measured, and every event is parsed as JSON. */
  readonly warmUp: number;
  readonly warmUpModel: string;
  /** Milliseconds for the whole job. */
  readonly deadline: number;
}

/** The result of a job. Times in microseconds. */
export interface Load {
  readonly requests: number;
  readonly tokens: number;
  readonly seconds: number;
  /** From a request to the first text of its response; when it is not streamed, to its end. */
  readonly first: Spread;
  readonly gap: Spread;
  readonly transit: Spread;
  /** Counts of errors by message. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Sent by the load generator. `warm`: it waits for `go`. `open`: every client has received text of its response. */
export type LoadReport = { readonly kind: 'ready' | 'warm' | 'open' } | { readonly kind: 'done'; readonly load: Load };

/** Sent to the load generator. */
export type LoadCommand = { readonly kind: 'job'; readonly job: Job } | { readonly kind: 'go' };
