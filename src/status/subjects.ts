import type { LimitSubject } from '../limits/subject.ts';
import type { KeyRing } from '../policy/keys.ts';

/** Maximum number of keys and groups whose limits are shown. */
const maxSubjects = 1_000;

/** @returns the configured keys and groups that have limits */
export function limitSubjects(ring: Pick<KeyRing, 'keys'>): LimitSubject[] {
  const subjects = new Map<string, LimitSubject>();
  for (const key of ring.keys) for (const subject of key.limitSubjects) subjects.set(subject.id, subject);
  return [...subjects.values()].slice(0, maxSubjects);
}
