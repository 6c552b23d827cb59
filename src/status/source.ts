import type { Exchange } from '../exchange/exchange.ts';
import { settingName } from '../limits/window.ts';
import type { Services } from '../services.ts';
import type { Sample, StatusSource } from '../telemetry/status-metrics.ts';
import { Cached } from './cached.ts';
import { limitSubjects } from './subjects.ts';

type SourceServices = Pick<Services, 'exchanges' | 'pool' | 'limiter' | 'gatekeeper'>;

/** @returns what the metrics of `/metrics` show about what runs, waits and is loaded */
export function statusSource(services: SourceServices): StatusSource {
  const { exchanges, pool } = services;
  const limits = new Cached(async () => await readLimits(services));
  return {
    inFlight: () => count(exchanges.all, ({ isQueued }) => !isQueued, keyOf),
    queued: () => count(exchanges.all, ({ isQueued }) => isQueued, waiterOf),
    limits: async () => await limits.get(),
    loadedBytes: () =>
      pool.upstreams.flatMap(({ name: upstream, catalog }) =>
        (catalog.inMemory ?? []).map(({ name, bytes = 0 }) => ({
          labels: { upstream, model: catalog.label(name) },
          value: bytes,
        })),
      ),
    slots: () =>
      pool.upstreams.flatMap(({ name, queue }) =>
        queue === undefined ? [] : [{ labels: { upstream: name }, value: queue.parallel }],
      ),
  };
}

function count<Label extends string>(
  exchanges: Iterable<Exchange>,
  counts: (exchange: Exchange) => boolean,
  labelsOf: (exchange: Exchange) => Record<Label, string>,
): Sample<Label>[] {
  return [...exchanges]
    .filter((exchange) => exchange.runsModel && exchange.key !== undefined && counts(exchange))
    .map((exchange) => ({ labels: labelsOf(exchange), value: 1 }));
}

function keyOf({ key }: Exchange): { key: string } {
  return { key: key?.label ?? 'none' };
}

function waiterOf(exchange: Exchange): { key: string; priority: string } {
  const { key, batch } = exchange;
  return { ...keyOf(exchange), priority: batch ? 'batch' : (key?.priority ?? 'interactive') };
}

async function readLimits({ limiter, gatekeeper }: SourceServices): Promise<Sample<'key' | 'limit'>[]> {
  const subjects = limitSubjects(gatekeeper.access.ring);
  const states = await limiter.state(subjects);
  const windows = states.flatMap(({ subject, limit, max, used }) =>
    used === undefined ? [] : [{ labels: { key: subject.label, limit: settingName(limit) }, value: used / max }],
  );
  const concurrent = subjects.flatMap((subject) => {
    const { concurrent: max } = subject.limits;
    if (max === undefined) return [];
    return [{ labels: { key: subject.label, limit: 'concurrent' }, value: limiter.running(subject) / max }];
  });
  return [...windows, ...concurrent];
}
