import { GatewayError } from '../errors.ts';
import type { Upstream } from './upstream.ts';

/**
 * Checks servers now and at intervals: which models they have and hold in memory, and whether an ejected one is back.
 *
 * @param interval milliseconds; 0 for one check now
 * @returns a function that stops the checks
 */
export function startHealthChecks(upstreams: readonly Upstream[], interval: number): () => void {
  // The models in memory matter only while they are kept up to date. The first check needs them only if there is a choice of servers.
  let checksMemory = upstreams.length > 1 && interval > 0;
  const stops = upstreams.map((upstream) =>
    repeat(upstream, async () => await check(upstream, checksMemory), interval > 0),
  );
  checksMemory = interval > 0;
  return () => {
    for (const stop of stops) stop();
  };
}

/** Runs a check now, and again when the server's health asks for it. */
function repeat({ health }: Upstream, run: () => Promise<void>, repeats: boolean): () => void {
  let timer: NodeJS.Timeout | undefined;
  let [running, stopped] = [false, false];
  const schedule = (): void => {
    clearTimeout(timer);
    if (repeats && !running && !stopped) timer = setTimeout(() => void runNow(), health.nextProbeInMs).unref();
  };
  const runNow = async (): Promise<void> => {
    running = true;
    await run();
    running = false;
    schedule();
  };
  const stopListening = health.onEjected(schedule);
  void runNow();
  return () => {
    stopped = true;
    stopListening();
    clearTimeout(timer);
  };
}

/** Checks one server. Never rejects: its health and its catalog keep the result. */
async function check(upstream: Upstream, checksMemory: boolean): Promise<void> {
  const { catalog, health, queue } = upstream;
  try {
    await health.probe(async () => await readList(upstream));
    if (queue !== undefined) await queue.refreshLoaded();
    else if (checksMemory) {
      const loaded = await catalog.loaded();
      upstream.loadTimes.inMemory(loaded);
      upstream.loadedModels = loaded && new Set(loaded);
    }
  } catch {
    // `probe` has noted the failure.
  }
}

/** Some servers of kind openai have no model list. Their refusal is an answer, unless they had a list before. */
async function readList({ catalog }: Upstream): Promise<void> {
  try {
    await catalog.list(0);
  } catch (error) {
    const hadList = catalog.listed.length > 0;
    const hasNoList = error instanceof GatewayError && [404, 405].includes(error.answered?.status ?? 0);
    if (hadList || !hasNoList) throw error;
  }
}
