import { setTimeout as sleep } from 'node:timers/promises';

// Loaded into the process under test before it starts: tells its parent what it holds.

/** What a process holds, after its garbage is collected. */
export interface Held {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  /** How many of each kind keep the process alive: timers, sockets, requests. */
  readonly resources: Readonly<Record<string, number>>;
}

async function tell(): Promise<void> {
  // What the first lets go is found by the next; pages go back to the system a little later.
  for (let times = 0; times < 4; times += 1) {
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await sleep(100);
  }
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { external, heapUsed, rss } = process.memoryUsage();
  process.send?.({ rss, heap: heapUsed, external, resources } satisfies Held);
}

if (process.send !== undefined) {
  process.on('message', () => void tell());
  // It must not keep the process alive.
  process.channel?.unref();
}
