let commits: (() => void)[] = [];
let callbacks: (() => void)[] = [];

/**
 * Runs `callback` at the end of this turn of the event loop, after the usage rows that were recorded in it are
 * committed. The end of an answer waits for this, so that a client that has a complete answer finds it in the usage
 * even after `kill -9`. Rows that another process blocks are committed later; the callback does not wait for those.
 *
 * @param callback must not throw
 */
export function afterUsageRows(callback: () => void): void {
  schedule();
  callbacks.push(callback);
}

/**
 * Runs `commit` at the end of this turn of the event loop, before the callbacks of `afterUsageRows`: all rows of a turn
 * share one transaction, which costs more than its rows.
 *
 * @param commit must not throw
 */
export function commitAfterTurn(commit: () => void): void {
  schedule();
  commits.push(commit);
}

function schedule(): void {
  if (commits.length === 0 && callbacks.length === 0) setImmediate(endTurn);
}

function endTurn(): void {
  const tasks = [...commits, ...callbacks];
  commits = [];
  callbacks = [];
  for (const task of tasks) task();
}
