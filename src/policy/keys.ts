import { createHash, timingSafeEqual } from 'node:crypto';
import type { KeyConfig, Scope } from '../config/schema.ts';
import { type Pattern, matches, toPattern } from './patterns.ts';

/** Who a request comes from, and what they may do. */
export interface Key {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Patterns of models, * for any text; undefined for all. */
  readonly models: readonly Pattern[] | undefined;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly hideThinking: boolean;
}

/** Anybody, where the configuration says `access: open`. */
export const anonymous: Key = {
  name: 'anonymous',
  scopes: ['inference', 'metrics'],
  models: undefined,
  expires: Infinity,
  hideThinking: false,
};

/** Holds the keys by the SHA-256 of their secrets; 256 bits of randomness need no slow hash. */
export class KeyRing {
  readonly #entries: { readonly digest: Buffer; readonly key: Key }[] = [];

  /** @param metricsToken `sha256:…` of a token that opens /metrics only */
  constructor(keys: readonly KeyConfig[], metricsToken?: string) {
    for (const config of keys) this.#add(config.hash, toKey(config));
    if (metricsToken !== undefined) {
      this.#add(metricsToken, { ...anonymous, name: 'metrics-token', scopes: ['metrics'] });
    }
  }

  #add(hash: string, key: Key): void {
    this.#entries.push({ digest: Buffer.from(hash.slice('sha256:'.length), 'hex'), key });
  }

  /** Compares with every key, in the same time whichever it is. Expired keys are found too. */
  find(secret: string): Key | undefined {
    const digest = createHash('sha256').update(secret).digest();
    let found: Key | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry.key;
    return found;
  }
}

function toKey({ name, scopes, models, expires, hide_thinking: hideThinking = false }: KeyConfig): Key {
  return {
    name,
    scopes,
    models: models?.map(toPattern),
    expires: expires === undefined ? Infinity : Date.parse(expires),
    hideThinking,
  };
}

/** @param names of one model: its own, or an alias; the key may know it by either */
export function mayUse({ models }: Key, ...names: readonly string[]): boolean {
  return models === undefined || names.some((name) => models.some((pattern) => matches(pattern, name)));
}
