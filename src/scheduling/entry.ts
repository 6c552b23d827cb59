import type { Node } from './linked-list.ts';

export type Priority = 'interactive' | 'batch';

/** The properties of a request that decide its order. */
export interface Work {
  /** The name of the request's key: keys share the upstream. */
  readonly key: string;
  /** The key's weight, above 0: a key of weight 2 gets twice the tokens of a key of weight 1. */
  readonly weight: number;
  /** The model that the request needs in memory; '' when nothing has to be loaded. */
  readonly model: string;
  /** The model that the client asked for, whether or not it has to be loaded. */
  readonly asked?: string;
  /** Estimated tokens of prompt and answer. */
  readonly cost: number;
  readonly priority: Priority;
}

/** Measurements of a finished request. The estimate applies to what is absent. */
export interface ServiceOutcome {
  /** Tokens of prompt and answer. */
  readonly cost?: number;
  /** Milliseconds of generating, without loading the model. */
  readonly service?: number;
  /** Milliseconds of loading the model. */
  readonly load?: number;
}

/** A request between `add` and `finish`. */
export interface Entry {
  readonly work: Work;
  /** Tokens: estimated, and measured once that is known. */
  cost: number;
  state: 'waiting' | 'running' | 'gone';
  /** Milliseconds by which it delayed the head when it started ahead of the fair order; undefined when it did not. */
  early: number | undefined;
  /** Its node in the fair order. A request that starts early keeps it, so that the order stays the same. */
  orderNode: Node<Entry> | undefined;
  /** Its node among the waiting requests of its key and model. */
  modelNode: Node<Entry> | undefined;
}

export function createEntry(work: Work): Entry {
  const cost = atLeastOne(work.cost);
  return { work, cost, state: 'waiting', early: undefined, orderNode: undefined, modelNode: undefined };
}

/** @returns a cost of at least 1: a key whose requests cost nothing would be served forever */
export function atLeastOne(cost: number): number {
  return Number.isFinite(cost) ? Math.max(1, cost) : 1;
}
