import type { Upstream } from './upstream.ts';

/** Tries an ejected model on a server, without a client. */
export type Probe = (upstream: Upstream) => void;

/** The states of a model on a server that gets requests at any time, best first. */
const preference = ['works', 'rests', 'answers', 'fails'] as const;

/** True if the model is not in use on one of the servers. */
export function someEjected(upstreams: readonly Upstream[], model: string): boolean {
  for (const { modelHealth } of upstreams) if (modelHealth.stateOf(model) !== 'works') return true;
  return false;
}

/**
 * Leaves out the servers on which the model is ejected, and tries it there again when that is due. If it is ejected on all,
 * those that answer with errors get the request all the same, since the client would get an error anyway. A silent one
 * gets one request at a time, and only after a pause, because each waits long.
 *
 * @param probe absent: a client's request tries the model
 * @returns the servers for a request; empty if the model is silent on all
 */
export function workingUpstreams(
  upstreams: readonly Upstream[],
  model: string,
  probe: Probe | undefined,
): readonly Upstream[] {
  const are = (state: string) => (upstream: Upstream) => upstream.modelHealth.stateOf(model) === state;
  const best = preference.find((state) => upstreams.some(are(state)));
  const usable = best === undefined ? [] : upstreams.filter(are(best));
  const due = upstreams.filter((upstream) => !usable.includes(upstream) && upstream.modelHealth.isTrialDue(model));
  if (usable.length === 0) return due;
  for (const upstream of due) {
    if (probe === undefined || upstream.modelHealth.refusesProbes(model)) return [upstream];
    probe(upstream);
  }
  return usable;
}
