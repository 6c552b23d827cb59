import type { Node } from './linked-list.ts';

export type Priority = 'interactive' | 'batch';

/** What the order of a request depends on. */
export interface Work {
  /** Whose request it is: keys share the upstream. */
  readonly key: string;
  /** Of the key; one of weight 2 gets twice the tokens of one of weight 1. Above 0. */
  readonly weight: number;
  /** '' where nothing has to be loaded for it. */
  readonly model: string;
  /** Estimated tokens, prompt and answer. */
  readonly cost: number;
  readonly priority: Priority;
}

/** What a request turned out to be. What is absent counts as estimated. */
export interface Outcome {
  /** Tokens, prompt and answer. */
  readonly cost?: number;
  /** Milliseconds of generating, without loading the model. */
  readonly service?: number;
  /** Milliseconds of loading the model. */
  readonly load?: number;
}

/** A request between `add` and `finish`. */
export interface Entry {
  readonly work: Work;
  /** Estimated, then real tokens. */
  cost: number;
  state: 'waiting' | 'running' | 'gone';
  /** Milliseconds it was charged with for starting before its turn; undefined when it did not. */
  early: number | undefined;
  /** Its place in the fair order: kept while it runs early, so that the order stays what it was. */
  turn: Node<Entry> | undefined;
  /** Its place among the waiting of its key and model. */
  place: Node<Entry> | undefined;
}

export function entryOf(work: Work): Entry {
  return { work, cost: tokens(work.cost), state: 'waiting', early: undefined, turn: undefined, place: undefined };
}

/** A cost that moves the order on: what costs nothing would be served for ever. */
export function tokens(cost: number): number {
  return Number.isFinite(cost) ? Math.max(1, cost) : 1;
}
