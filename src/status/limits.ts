import type { LimitState } from '../limits/limiter.ts';
import type { LimitSubject } from '../limits/subject.ts';
import { settingName } from '../limits/window.ts';

/** One limit of a key or a group. */
interface LimitLine {
  readonly object: 'limit';
  readonly scope: 'key' | 'group';
  readonly name: string;
  /** Name of the setting, such as `tokens_per_day`. */
  readonly limit: string;
  readonly max: number;
  /** Null while the counts cannot be read. */
  readonly used: number | null;
  readonly remaining: number | null;
  /** Unix seconds; null for a limit of running requests. */
  readonly resets_at: number | null;
}

/** @returns a limit per minute, day or month, and what is left of it */
export function limitState({ subject, limit, max, used, end }: LimitState): LimitLine {
  return line(subject, { limit: settingName(limit), max, used, resetsAt: Math.floor(end / 1000) });
}

/** @param running the number of running requests. @returns the limit of a subject's running requests, if it has one */
export function concurrencyState(subject: LimitSubject, running: number): LimitLine[] {
  const { concurrent } = subject.limits;
  if (concurrent === undefined) return [];
  return [line(subject, { limit: settingName('concurrent'), max: concurrent, used: running, resetsAt: null })];
}

interface Count {
  readonly limit: string;
  readonly max: number;
  readonly used: number | undefined;
  readonly resetsAt: number | null;
}

function line({ id }: LimitSubject, { limit, max, used, resetsAt }: Count): LimitLine {
  const scope = id.startsWith('group:') ? 'group' : 'key';
  return {
    object: 'limit',
    scope,
    name: id.slice(scope.length + 1),
    limit,
    max,
    used: used ?? null,
    remaining: used === undefined ? null : Math.max(0, max - used),
    resets_at: resetsAt,
  };
}
