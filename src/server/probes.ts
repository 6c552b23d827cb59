import type { Upstream } from './upstream.ts';

/**
 * Looks at upstreams now and from time to time: which models they have and hold in memory, and whether one that was taken out is
 * back.
 *
 * @param interval milliseconds; 0 for now only
 * @returns a function that stops
 */
export function probing(upstreams: readonly Upstream[], interval: number): () => void {
  const looking = new Set<Upstream>();
  const lookAtAll = (): void => {
    for (const upstream of upstreams) {
      if (looking.has(upstream)) continue;
      looking.add(upstream);
      void look(upstream).finally(() => looking.delete(upstream));
    }
  };
  lookAtAll();
  const timer = interval > 0 ? setInterval(lookAtAll, interval).unref() : undefined;
  return () => clearInterval(timer);
}

/** Never rejects. */
async function look({ catalog, health, queue }: Upstream): Promise<void> {
  try {
    await health.watch(async () => await catalog.list(0));
    await queue?.look();
  } catch {
    // The upstream's health knows by now.
  }
}
