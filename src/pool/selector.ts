import { rankUpstreams } from './ranking.ts';
import { type Target, type Upstream, modelToLoad } from './upstream.ts';

/** Milliseconds of delay that a warm prompt cache is worth. */
const slack = 2_000;
/** Assumptions about a server without a queue, whose parallelism and load time are unknown. Times in milliseconds. */
const assumed = { parallel: 8, service: 10_000, load: 10_000 };

/** @returns the server that would start a request soonest; undefined if `upstreams` is empty */
export function selectUpstream(
  upstreams: readonly Upstream[],
  { model, conversation }: Pick<Target, 'model' | 'conversation'>,
): Upstream | undefined {
  const candidates = upstreams.map((upstream) => ({
    upstream,
    name: upstream.name,
    weight: upstream.weight,
    outstanding: upstream.outstanding,
    ...(upstream.queue?.delayFor(modelToLoad(upstream, model)) ?? { wait: 0, load: assumedLoad(upstream, model) }),
  }));
  const [first] = candidates;
  // Servers that do not differ are compared by their share of the requests, not by an assumed wait.
  const differ = candidates.some(
    ({ upstream, load }) =>
      load !== first?.load || (upstream.queue === undefined) !== (first.upstream.queue === undefined),
  );
  const weighed = candidates.map((candidate) =>
    differ && candidate.upstream.queue === undefined
      ? { ...candidate, wait: assumedWait(candidate.upstream) }
      : candidate,
  );
  return rankUpstreams(weighed, conversation(), slack)[0]?.upstream;
}

function assumedWait({ outstanding, weight }: Upstream): number {
  const parallel = assumed.parallel * weight;
  return (Math.max(0, outstanding + 1 - parallel) * assumed.service) / parallel;
}

function assumedLoad({ catalog, loadedModels }: Upstream, model: string): number {
  const isLoaded = loadedModels === undefined || loadedModels.has(catalog.canonical(model));
  return isLoaded || !catalog.has(model) ? 0 : assumed.load;
}
