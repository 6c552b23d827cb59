import { GatewayError } from '../errors.ts';
import type { Upstream } from './upstream.ts';

/**
 * Looks at upstreams now and from time to time: which models they have and hold in memory, and whether one that was taken out is
 * back.
 *
 * @param interval milliseconds; 0 for now only
 * @returns a function that stops
 */
export function startHealthChecks(upstreams: readonly Upstream[], interval: number): () => void {
  // What is in memory matters where there is a choice, and only as long as it is known anew.
  const remembers = upstreams.length > 1 && interval > 0;
  const stops = upstreams.map((upstream) => lookingAt(upstream, looker(upstream, remembers), interval > 0));
  return () => {
    for (const stop of stops) stop();
  };
}

function lookingAt({ health }: Upstream, look: () => Promise<void>, again: boolean): () => void {
  let timer: NodeJS.Timeout | undefined;
  let [looking, stopped] = [false, false];
  const later = (): void => {
    clearTimeout(timer);
    if (again && !looking && !stopped) timer = setTimeout(() => void now(), health.nextProbeInMs).unref();
  };
  const now = async (): Promise<void> => {
    looking = true;
    await look();
    looking = false;
    later();
  };
  const unhear = health.onEjected(later);
  void now();
  return () => {
    stopped = true;
    unhear();
    clearTimeout(timer);
  };
}

/** @returns a look at an upstream, which never rejects */
function looker(upstream: Upstream, remembers: boolean): () => Promise<void> {
  const { catalog, health, queue } = upstream;
  let hasList = false;
  const list = async (): Promise<void> => {
    try {
      await catalog.list(0);
      hasList = true;
    } catch (error) {
      if (hasList || !answersWithoutList(error)) throw error;
    }
  };
  return async () => {
    try {
      await health.probe(list);
      if (queue !== undefined) return await queue.refreshLoaded();
      if (remembers) upstream.loadedModels = asSet(await catalog.loaded());
    } catch {
      // The upstream's health knows by now.
    }
  };
}

/** Some servers of kind openai have no list of models. */
function answersWithoutList(error: unknown): boolean {
  return error instanceof GatewayError && [404, 405].includes(error.answered?.status ?? 0);
}

function asSet(names: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return names && new Set(names);
}
