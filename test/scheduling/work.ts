import type { Work } from '../../src/scheduling/entry.ts';
import type { FairQueueOptions } from '../../src/scheduling/fair-queue.ts';

/** By default a request of 100 tokens of the key `x` for the model `a`. */
export function work(given: Partial<Work> = {}): Work {
  return { key: 'x', weight: 1, model: 'a', cost: 100, priority: 'interactive', ...given };
}

export const options: FairQueueOptions = {
  parallel: 1,
  slots: 1,
  maxExtraWait: 60_000,
  batchShare: 8,
  quantum: 1,
  maxEarly: 1000,
  serviceTime: 1000,
  loadTime: 8000,
  maxWaiting: 1000,
  maxWaitingPerKey: 100,
};
