import { hash } from 'node:crypto';
import type { FileConfig, KeyConfig, Scope } from '../config/schema.ts';
import type { Priority } from '../scheduling/entry.ts';
import type { LimitSubject, LimitSet } from '../limits/subject.ts';
import { networkFilter } from '../networks.ts';
import { type Pattern, matches, toPatterns } from './patterns.ts';

/** The user of a request, and what they may do. */
export interface Key {
  readonly name: string;
  /** Label in metrics: a name that the operator gave. */
  readonly label: string;
  readonly group: string | undefined;
  readonly scopes: readonly Scope[];
  /** Patterns of the models that the key may use; undefined for all models. */
  readonly models: readonly Pattern[] | undefined;
  /** True for the addresses from which the key may be used; undefined for any. */
  readonly mayUseFrom: ((address: string) => boolean) | undefined;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** SHA-256 digest of the secret in hex; undefined for a key that is not in the configuration. */
  readonly digest?: string;
  readonly hideThinking: boolean;
  /** Share of the queue: a key of weight 2 gets twice the tokens of a key of weight 1. */
  readonly weight: number;
  readonly priority: Priority;
  /** The key itself and its group, as far as they have limits. */
  readonly limitSubjects: readonly LimitSubject[];
  /** True when one of their limits counts tokens. */
  readonly countsTokens: boolean;
  /** Maximum tokens of one answer. */
  readonly maxTokens: number | undefined;
  /** Maximum number of requests under way. Undefined: the default share of all. */
  readonly maxInFlight: number | undefined;
}

type Groups = FileConfig['groups'];
type Group = Groups[string] & { readonly name: string };

/** The key of requests without a key, when the configuration has `access: open`. */
export const anonymous: Key = {
  name: 'anonymous',
  label: 'anonymous',
  group: undefined,
  scopes: ['inference', 'metrics'],
  models: undefined,
  mayUseFrom: undefined,
  expires: Infinity,
  hideThinking: false,
  weight: 1,
  priority: 'interactive',
  limitSubjects: [],
  countsTokens: false,
  maxTokens: undefined,
  maxInFlight: undefined,
};

/** The configured keys by the SHA-256 of their secrets. Secrets have 256 random bits and need no slow hash. */
export class KeyRing {
  /** By SHA-256 digest in hex. */
  readonly #keys = new Map<string, Key>();
  readonly #groups: Groups;
  readonly #defaultGroup: string | undefined;

  /**
   * @param metricsToken `sha256:…` of a token that gives access to /metrics only
   * @param defaultGroup group of identity provider tokens that name none of the groups
   */
  constructor(keys: readonly KeyConfig[], metricsToken?: string, groups: Groups = {}, defaultGroup?: string) {
    this.#groups = groups;
    this.#defaultGroup = defaultGroup;
    for (const config of keys) {
      const key = toKey(config, findGroup(config.group, groups));
      this.#add(config.hash, key);
      for (const { hash: previous, until } of config.retiring ?? []) {
        this.#add(previous, { ...key, expires: Math.min(key.expires, Date.parse(until)) });
      }
    }
    if (metricsToken !== undefined) {
      this.#add(metricsToken, { ...anonymous, name: 'metrics-token', label: 'metrics-token', scopes: ['metrics'] });
    }
  }

  /** The keys, also those that have expired. A key whose secret is being replaced is in it twice. */
  get keys(): Iterable<Key> {
    return this.#keys.values();
  }

  #add(hashed: string, key: Key): void {
    const digest = hashed.slice('sha256:'.length).toLowerCase();
    this.#keys.set(digest, { ...key, digest });
  }

  /**
   * The lookup is not constant-time. Its timing can only reveal parts of a digest, and nobody can choose a secret by
   * its digest.
   *
   * @returns the key of a secret, also an expired one
   */
  find(secret: string): Key | undefined {
    return this.#keys.get(hash('sha256', secret, 'hex'));
  }

  /** @returns what is configured now for the secret of a key; undefined for a secret that is not configured any more */
  current({ digest = '' }: Key): Key | undefined {
    return this.#keys.get(digest);
  }

  /**
   * Makes the key for a verified token of an identity provider.
   *
   * @param name the user, as the provider names them
   * @param groupName the group that the token names; an unknown one counts as none
   * @param expires milliseconds since the epoch
   */
  keyForToken(name: string, groupName: string | undefined, expires: number): Key {
    const group = findGroup(groupName, this.#groups) ?? findGroup(this.#defaultGroup, this.#groups);
    const label = group === undefined ? 'token' : `token-${group.name}`;
    return {
      ...anonymous,
      ...shareOf(group),
      ...limitsOf(`key:token:${name}`, label, {}, group),
      // A configured key cannot have this name.
      name: `token:${name}`,
      label,
      group: group?.name,
      scopes: ['inference'],
      models: group?.models?.flatMap(toPatterns),
      expires,
    };
  }
}

function findGroup(name: string | undefined, groups: Groups): Group | undefined {
  const config = name !== undefined && Object.hasOwn(groups, name) ? groups[name] : undefined;
  return name === undefined || config === undefined ? undefined : { ...config, name };
}

function toKey(config: KeyConfig, group: Group | undefined): Key {
  const { name, scopes, addresses, expires, hide_thinking: hideThinking = false } = config;
  const models = config.models ?? (scopes.includes('admin') ? undefined : group?.models);
  return {
    ...shareOf(group),
    ...limitsOf(`key:${name}`, name, config.limits ?? {}, group),
    name,
    label: name,
    group: config.group,
    scopes,
    models: models?.flatMap(toPatterns),
    mayUseFrom: addresses && networkFilter(addresses),
    expires: expires === undefined ? Infinity : Date.parse(expires),
    hideThinking,
  };
}

function shareOf(group: Group | undefined): Pick<Key, 'weight' | 'priority' | 'maxInFlight'> {
  return {
    weight: group?.weight ?? 1,
    priority: group?.priority ?? 'interactive',
    maxInFlight: group?.in_flight,
  };
}

/**
 * @param id the id of the key as a {@link LimitSubject}
 * @param own the key's own limits, which override those that its group sets for each key
 */
function limitsOf(
  id: string,
  label: string,
  own: NonNullable<KeyConfig['limits']>,
  group: Group | undefined,
): Pick<Key, 'limitSubjects' | 'countsTokens' | 'maxTokens'> {
  const limits = toLimitSet({ ...group?.limits, ...own });
  const shared = toLimitSet(group?.shared ?? {});
  const groupId = `group:${group?.name}`;
  const limitSubjects = [
    { id, label, limits },
    { id: groupId, label: groupId, limits: shared },
  ].filter((subject) => Object.keys(subject.limits).some((limit) => limit !== 'maxTokens'));
  const countsTokens = limitSubjects.some(
    ({ limits: { tokensPerMinute, tokensPerDay, tokensPerMonth } }) =>
      (tokensPerMinute ?? tokensPerDay ?? tokensPerMonth) !== undefined,
  );
  return { limitSubjects, countsTokens, maxTokens: limits.maxTokens };
}

function toLimitSet(config: NonNullable<KeyConfig['limits']>): LimitSet {
  const limits: { -readonly [Limit in keyof LimitSet]: LimitSet[Limit] | undefined } = {
    requestsPerMinute: config.requests_per_minute,
    tokensPerMinute: config.tokens_per_minute,
    concurrent: config.concurrent,
    maxTokens: config.max_tokens,
    tokensPerDay: config.tokens_per_day,
    tokensPerMonth: config.tokens_per_month,
  };
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}

/**
 * @param names the names of one model: its own and the alias that stands for it
 * @returns true when the key may use the model by one of these names
 */
export function mayUse({ models }: Key, ...names: readonly string[]): boolean {
  return models === undefined || names.some((name) => models.some((pattern) => matches(pattern, name)));
}
