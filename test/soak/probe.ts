import { setTimeout as sleep } from 'node:timers/promises';

// Loaded into the process under test before it starts: reports its resource usage to the parent process.

/** Resources of a process after a garbage collection. Memory in bytes. */
export interface ResourceUsage {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  /** Number of active resources by kind: timers, sockets, requests. */
  readonly resources: Readonly<Record<string, number>>;
}

async function report(): Promise<void> {
  // Finalizers of one collection free memory for the next; pages return to the system a little later.
  for (let times = 0; times < 4; times += 1) {
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await sleep(100);
  }
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { external, heapUsed, rss } = process.memoryUsage();
  process.send?.({ rss, heap: heapUsed, external, resources } satisfies ResourceUsage);
}

if (process.send !== undefined) {
  process.on('message', () => void report());
  // It must not keep the process alive.
  process.channel?.unref();
}
