import { microseconds } from './model.ts';

/** A timer with microsecond resolution. Node's has milliseconds, so that tokens of many streams would come at once. */
export interface Clock {
  /** @param due in microseconds; a task that is overdue runs in the next turn of the event loop */
  at(due: number, task: () => void): void;
}

interface Entry {
  readonly due: number;
  readonly task: () => void;
}

/** Microseconds below which it blocks the thread instead of waiting in the event loop. */
const fine = 1_500;
/** Microseconds for which it blocks at most before it lets the event loop run. */
const longestSleep = 250;

const never = new Int32Array(new SharedArrayBuffer(4));

export function createClock(): Clock {
  const heap: Entry[] = [];
  let running = false;
  let timer: NodeJS.Timeout | undefined;

  const run = (): void => {
    let now = microseconds();
    const wait = (heap[0]?.due ?? 0) - now;
    if (wait > fine) {
      running = false;
      // Only the server keeps the process alive.
      timer = setTimeout(start, Math.floor((wait - 1_000) / 1_000)).unref();
      return;
    }
    if (wait > 0) {
      Atomics.wait(never, 0, 0, Math.min(wait, longestSleep) / 1_000);
      now = microseconds();
    }
    // Tasks that are added meanwhile run in the next turn.
    for (let left = heap.length; left > 0 && (heap[0]?.due ?? Infinity) <= now; left -= 1) pop(heap)?.task();
    if (heap.length === 0) running = false;
    else setImmediate(run);
  };
  const start = (): void => {
    clearTimeout(timer);
    if (running) return;
    running = true;
    setImmediate(run);
  };
  return {
    at(due, task) {
      push(heap, { due, task });
      if (heap[0]?.task === task) start();
    },
  };
}

/** Binary heap, the earliest first. @see https://en.wikipedia.org/wiki/Binary_heap */
function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || above.due <= entry.due) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const [left, right] = [heap[child], heap[child + 1]];
    if (left === undefined) break;
    let least = left;
    if (right !== undefined && right.due < left.due) {
      least = right;
      child += 1;
    }
    if (least.due >= last.due) break;
    heap[at] = least;
    at = child;
  }
  heap[at] = last;
  return first;
}
