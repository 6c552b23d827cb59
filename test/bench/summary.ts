import type { Measure } from './measure.ts';
import type { Run } from './rounds.ts';
import { type Middle, middleOf, pairedDifferences, pairedRatios } from './statistics.ts';
import type { Workload } from './workloads.ts';

/** The results of one contender for one workload over all rounds. Microseconds and bytes. */
export interface Summary {
  readonly workload: string;
  readonly contender: string;
  /** For each token or request, depending on the workload's unit. */
  readonly cpu?: Middle | undefined;
  /** Ratio to the CPU time of other contenders. */
  readonly cpuTo: To;
  readonly first: Delays;
  readonly firstOver: { readonly none: Delays; readonly raw: Delays };
  readonly gapOver: Delays;
  readonly transitOver: Delays;
  readonly memory?: Middle | undefined;
  readonly memoryPerStream?: Middle | undefined;
  readonly memoryTo: To;
  /** True when the upstream and the load generator used all of their CPU time, and the contender did not. */
  readonly limitedByHelpers: boolean;
}

export type To = Readonly<Record<'raw' | 'nginx' | 'base', Middle | undefined>>;

interface Delays {
  readonly p50?: Middle | undefined;
  readonly p99?: Middle | undefined;
}

type Value = (measure: Measure) => number | undefined;

/** With fewer streams, their memory cannot be distinguished from other growth. */
export const fewestStreams = 500;
/** Share of the CPU time from which a process counts as busy. */
const busy = 0.95;

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0;
}

/** @param helperCpus number of CPUs of the upstream and the load generator */
export function summarize(runs: readonly Run[], workload: Workload, contender: string, helperCpus: number): Summary {
  const rounds = Math.max(0, ...runs.map(({ round }) => round));
  const values = (of: string, value: Value): (number | undefined)[] =>
    Array.from({ length: rounds }, (_, index) => {
      const run = runs.find(
        (each) => each.round === index + 1 && each.contender === of && each.workload === workload.name,
      );
      // A run with incorrect responses does not count.
      return run === undefined || !isEmpty(run.measure.load.errors) ? undefined : value(run.measure);
    });
  const own = (value: Value): (number | undefined)[] => values(contender, value);
  const cpu: Value = ({ usage, load }) =>
    usage === undefined ? undefined : usage.cpu / (workload.unit === 'token' ? load.tokens : load.requests);
  const perStream: Value = ({ usage }) =>
    usage === undefined || workload.clients < fewestStreams
      ? undefined
      : (usage.memory - usage.memoryBefore) / workload.clients;
  const to = (value: Value): To => {
    const ratio = (of: string): Middle | undefined => pairedRatios(own(value), values(of, value));
    return { raw: ratio('raw'), nginx: ratio('nginx'), base: ratio('base') };
  };
  const over = (of: string, delay: 'first' | 'gap' | 'transit'): Delays => {
    const added = (value: Value): Middle | undefined => pairedDifferences(own(value), values(of, value));
    return { p50: added(({ load }) => load[delay].p50), p99: added(({ load }) => load[delay].p99) };
  };
  const helpersBusy = middleOf(own((measure) => measure.helpersBusy))?.median ?? 0;
  const ownBusy = middleOf(own(({ usage, load }) => usage && usage.cpu / 1e6 / load.seconds))?.median ?? 1;
  return {
    workload: workload.name,
    contender,
    cpu: middleOf(own(cpu)),
    cpuTo: to(cpu),
    first: { p50: middleOf(own(({ load }) => load.first.p50)), p99: middleOf(own(({ load }) => load.first.p99)) },
    firstOver: { none: over('none', 'first'), raw: over('raw', 'first') },
    gapOver: over('none', 'gap'),
    transitOver: over('none', 'transit'),
    memory: middleOf(own(({ usage }) => usage?.memory)),
    memoryPerStream: middleOf(own(perStream)),
    memoryTo: to(perStream),
    limitedByHelpers: helpersBusy > busy * Math.min(2, helperCpus) && ownBusy < busy,
  };
}
