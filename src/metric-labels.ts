import type { Config } from './config/schema.ts';
import { type LimitName, settingName } from './limits/window.ts';
import type { LimitSet } from './limits/subject.ts';
import { type Key, type KeyRing, anonymous } from './policy/keys.ts';
import type { Upstream } from './pool/upstream.ts';
import type { ConfiguredLabels } from './telemetry/configured-series.ts';

/** @returns the labels that requests can have with this configuration */
export function metricLabels(
  { access, groups, jwt }: Pick<Config, 'access' | 'groups' | 'jwt'>,
  ring: KeyRing,
  upstreams: readonly Pick<Upstream, 'name' | 'queue'>[],
): ConfiguredLabels {
  const users: Key[] = [...ring.keys];
  if (access === 'open') users.push(anonymous);
  // Users of an identity provider share the label of their group.
  if (jwt !== undefined) {
    users.push(...[undefined, ...Object.keys(groups)].map((group) => ring.keyForToken('', group, Infinity)));
  }
  return {
    keys: users.map(({ label }) => label),
    limits: users.flatMap(limitsOf),
    upstreams: upstreams.map(({ name, queue }) => ({ name, hasQueue: queue !== undefined })),
  };
}

/** The limits of a key, its group's among them, with the names that they have in the metrics. */
function limitsOf({ label, limitSubjects }: Key): ConfiguredLabels['limits'] {
  const counted = limitSubjects.flatMap((subject) =>
    namesOf(subject.limits).map((limit) => ({ key: subject.label, limit })),
  );
  return [{ key: label, limit: 'in_flight' }, ...counted];
}

/** @returns the names of the settings that a request can be refused by */
function namesOf(limits: LimitSet): string[] {
  return Object.keys(limits).flatMap((limit) => (limit === 'maxTokens' ? [] : [settingName(limit as LimitName)]));
}
