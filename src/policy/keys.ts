import { hash } from 'node:crypto';
import type { FileConfig, KeyConfig, Scope } from '../config/schema.ts';
import type { Priority } from '../scheduling/entry.ts';
import type { LimitSubject, LimitSet } from '../limits/subject.ts';
import { type Pattern, matches, toPattern } from './patterns.ts';

/** Who a request comes from, and what they may do. */
export interface Key {
  readonly name: string;
  /** As the metrics show it: a name that the operator gave. */
  readonly label: string;
  readonly group: string | undefined;
  readonly scopes: readonly Scope[];
  /** Patterns of models, * for any text; undefined for all. */
  readonly models: readonly Pattern[] | undefined;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly hideThinking: boolean;
  /** In the queue: of weight 2 it gets twice what one of weight 1 gets. */
  readonly weight: number;
  readonly priority: Priority;
  /** Whose limits a request has to keep. */
  readonly limitSubjects: readonly LimitSubject[];
  /** Whether any of them is about tokens. */
  readonly countsTokens: boolean;
  /** Tokens of one answer. */
  readonly maxTokens: number | undefined;
}

type Groups = FileConfig['groups'];
type Group = Groups[string];

/** Anybody, where the configuration says `access: open`. */
export const anonymous: Key = {
  name: 'anonymous',
  label: 'anonymous',
  group: undefined,
  scopes: ['inference', 'metrics'],
  models: undefined,
  expires: Infinity,
  hideThinking: false,
  weight: 1,
  priority: 'interactive',
  limitSubjects: [],
  countsTokens: false,
  maxTokens: undefined,
};

/** Holds the keys by the SHA-256 of their secrets; 256 bits of randomness need no slow hash. */
export class KeyRing {
  /** By the digest, in hex. */
  readonly #keys = new Map<string, Key>();
  readonly #groups: Groups;
  readonly #defaultGroup: string | undefined;

  /**
   * @param metricsToken `sha256:…` of a token that opens /metrics only
   * @param defaultGroup of those an identity provider vouches for without naming one of the groups
   */
  constructor(keys: readonly KeyConfig[], metricsToken?: string, groups: Groups = {}, defaultGroup?: string) {
    this.#groups = groups;
    this.#defaultGroup = defaultGroup;
    for (const config of keys) {
      const key = toKey(config, groupOf(config.group, groups));
      this.#add(config.hash, key);
      const { retiring } = config;
      if (retiring === undefined) continue;
      this.#add(retiring.hash, { ...key, expires: Math.min(key.expires, Date.parse(retiring.until)) });
    }
    if (metricsToken !== undefined) {
      this.#add(metricsToken, { ...anonymous, name: 'metrics-token', label: 'metrics-token', scopes: ['metrics'] });
    }
  }

  #add(digest: string, key: Key): void {
    this.#keys.set(digest.slice('sha256:'.length).toLowerCase(), key);
  }

  /**
   * Finds a key, also one that has expired. What the time it takes could tell is of a digest, and nobody can choose a secret
   * by its digest.
   */
  find(secret: string): Key | undefined {
    return this.#keys.get(hash('sha256', secret, 'hex'));
  }

  /** The key that stands for somebody an identity provider vouches for. */
  keyForToken(name: string, groupName: string | undefined, expires: number): Key {
    const known = groupOf(groupName, this.#groups) === undefined ? this.#defaultGroup : groupName;
    const group = groupOf(known, this.#groups);
    const label = known === undefined ? 'token' : `token-${known}`;
    return {
      ...anonymous,
      ...shares(group),
      ...limited(`key:token:${name}`, label, undefined, known, group),
      // No key of the configuration can have this name.
      name: `token:${name}`,
      label,
      group: known,
      scopes: ['inference'],
      models: group?.models?.map(toPattern),
      expires,
    };
  }
}

function groupOf(name: string | undefined, groups: Groups): Group | undefined {
  return name !== undefined && Object.hasOwn(groups, name) ? groups[name] : undefined;
}

function toKey(config: KeyConfig, group: Group | undefined): Key {
  const { name, scopes, expires, hide_thinking: hideThinking = false } = config;
  const models = config.models ?? (scopes.includes('admin') ? undefined : group?.models);
  return {
    ...shares(group),
    ...limited(`key:${name}`, name, config.limits, config.group, group),
    name,
    label: name,
    group: config.group,
    scopes,
    models: models?.map(toPattern),
    expires: expires === undefined ? Infinity : Date.parse(expires),
    hideThinking,
  };
}

function shares(group: Group | undefined): Pick<Key, 'weight' | 'priority'> {
  return { weight: group?.weight ?? 1, priority: group?.priority ?? 'interactive' };
}

function limited(
  id: string,
  label: string,
  own: KeyConfig['limits'],
  groupName: string | undefined,
  group: Group | undefined,
): Pick<Key, 'limitSubjects' | 'countsTokens' | 'maxTokens'> {
  const limits = toLimits({ ...group?.limits, ...own });
  const shared = toLimits(group?.shared ?? {});
  const limitSubjects = [
    { id, label, limits },
    { id: `group:${groupName}`, label: `group:${groupName}`, limits: shared },
  ].filter((subject) => Object.keys(subject.limits).some((limit) => limit !== 'maxTokens'));
  const countsTokens = limitSubjects.some(
    ({ limits: { tokensPerMinute, tokensPerDay, tokensPerMonth } }) =>
      (tokensPerMinute ?? tokensPerDay ?? tokensPerMonth) !== undefined,
  );
  return { limitSubjects, countsTokens, maxTokens: limits.maxTokens };
}

function toLimits(given: NonNullable<KeyConfig['limits']>): LimitSet {
  const limits: { -readonly [Limit in keyof LimitSet]: LimitSet[Limit] | undefined } = {
    requestsPerMinute: given.requests_per_minute,
    tokensPerMinute: given.tokens_per_minute,
    concurrent: given.concurrent,
    maxTokens: given.max_tokens,
    tokensPerDay: given.tokens_per_day,
    tokensPerMonth: given.tokens_per_month,
  };
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}

/** @param names of one model: its own, or an alias; the key may know it by either */
export function mayUse({ models }: Key, ...names: readonly string[]): boolean {
  return models === undefined || names.some((name) => models.some((pattern) => matches(pattern, name)));
}
