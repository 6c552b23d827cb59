import { createHash, timingSafeEqual } from 'node:crypto';
import type { KeyConfig, Scope } from '../config/schema.ts';

/** Who a request comes from, and what they may do. */
export interface Key {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Patterns of models, * for any text; undefined for all. */
  readonly models: readonly RegExp[] | undefined;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** Anybody, where the configuration says `access: open`. */
export const anonymous: Key = {
  name: 'anonymous',
  scopes: ['inference', 'metrics'],
  models: undefined,
  expires: Infinity,
};

/** Holds the keys by the SHA-256 of their secrets; 256 bits of randomness need no slow hash. */
export class KeyRing {
  readonly #entries: { readonly digest: Buffer; readonly key: Key }[] = [];

  /** @param metricsToken `sha256:…` of a token that opens /metrics only */
  constructor(keys: readonly KeyConfig[], metricsToken?: string) {
    for (const config of keys) this.#add(config.hash, toKey(config));
    if (metricsToken !== undefined) {
      this.#add(metricsToken, { name: 'metrics-token', scopes: ['metrics'], models: undefined, expires: Infinity });
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

function toKey({ name, scopes, models, expires }: KeyConfig): Key {
  return {
    name,
    scopes,
    models: models?.map(toPattern),
    expires: expires === undefined ? Infinity : Date.parse(expires),
  };
}

/** Model names are compared as Ollama does: without regard to case, `:latest` understood. */
function toPattern(pattern: string): RegExp {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${source}$`, 'is');
}

export function mayUse(key: Key, model: string): boolean {
  if (key.models === undefined) return true;
  const names = model.includes(':') ? [model, model.replace(/:latest$/i, '')] : [model, `${model}:latest`];
  return key.models.some((pattern) => names.some((name) => pattern.test(name)));
}
