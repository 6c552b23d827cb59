import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/schema.ts';

/** Names that a log line lists. */
const maxNames = 20;

/** The changes of a reload, for the log. A list that would be empty is absent. */
interface ConfigChanges {
  readonly changed?: readonly string[];
  readonly keys_added?: readonly string[];
  readonly keys_removed?: readonly string[];
  readonly keys_changed?: readonly string[];
  readonly upstreams_added?: readonly string[];
  readonly upstreams_removed?: readonly string[];
  readonly upstreams_changed?: readonly string[];
}

/** @returns the names of the settings, keys and upstreams that differ */
export function configChanges(before: Config, after: Config): ConfigChanges {
  const settings = [...new Set([...Object.keys(before), ...Object.keys(after)])] as (keyof Config)[];
  const keys = named(before.keys, after.keys);
  const upstreams = named(before.upstreams, after.upstreams);
  const lists = {
    changed: settings.filter((setting) => !isDeepStrictEqual(before[setting], after[setting])),
    keys_added: keys.added,
    keys_removed: keys.removed,
    keys_changed: keys.changed,
    upstreams_added: upstreams.added,
    upstreams_removed: upstreams.removed,
    upstreams_changed: upstreams.changed,
  };
  return Object.fromEntries(
    Object.entries(lists)
      .filter(([, names]) => names.length > 0)
      .map(([what, names]) => [what, listed(names)]),
  );
}

interface Named {
  readonly name: string;
}

function named(before: readonly Named[], after: readonly Named[]): Record<'added' | 'removed' | 'changed', string[]> {
  const [old, current] = [before, after].map((list) => new Map(list.map((one) => [one.name, one]))) as [
    Map<string, Named>,
    Map<string, Named>,
  ];
  const names = [...current.keys()];
  return {
    added: names.filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !current.has(name)),
    changed: names.filter((name) => old.has(name) && !isDeepStrictEqual(old.get(name), current.get(name))),
  };
}

function listed(names: readonly string[]): readonly string[] {
  return names.length <= maxNames ? names : [...names.slice(0, maxNames), `${names.length - maxNames} more`];
}
