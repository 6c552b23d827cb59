import type { TextStore } from '../chat/protocol.ts';

interface Bounds {
  /** Maximum number of texts. */
  readonly entries: number;
  /** Maximum size of owners, ids and texts together, at two bytes per character. */
  readonly bytes: number;
  /** Milliseconds that a text is stored. */
  readonly ttl: number;
}

interface Entry {
  readonly quota: string;
  readonly bytes: number;
  readonly text: string;
  readonly expires: number;
}

/** The texts of one quota. */
interface Holding {
  /** In the order of their last `put`. */
  readonly keys: Set<string>;
  bytes: number;
}

/**
 * Stores texts in this process. When it is full, it evicts the oldest text of the quota that stores the most, so that quotas
 * that store less lose nothing.
 */
export class MemoryTextStore implements TextStore {
  #bounds: Bounds;
  /** In the order of their last `put`, in which they also expire. */
  readonly #entries = new Map<string, Entry>();
  readonly #holdings = new Map<string, Holding>();
  #bytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Replaces the bounds. A text keeps the time to live that it was stored with. */
  use(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#evict();
  }

  async get(owner: string, id: string): Promise<string | undefined> {
    this.#expire();
    return this.#entries.get(keyOf(owner, id))?.text;
  }

  async put(owner: string, id: string, text: string, quota = owner): Promise<void> {
    const key = keyOf(owner, id);
    this.#remove(key);
    this.#expire();
    // It would evict everything, including itself.
    if (bytesOf(key, text) <= this.#bounds.bytes) this.#add(key, text, quota);
  }

  async delete(owner: string, id: string): Promise<boolean> {
    this.#expire();
    return this.#remove(keyOf(owner, id));
  }

  /** The text stays in the quota that it was put into. */
  async append(owner: string, id: string, text: string): Promise<'appended' | 'absent' | 'full'> {
    this.#expire();
    const key = keyOf(owner, id);
    const entry = this.#entries.get(key);
    if (entry === undefined) return 'absent';
    const whole = entry.text + text;
    if (!this.#hasRoom(bytesOf(key, whole), entry.quota)) return 'full';
    this.#remove(key);
    this.#add(key, whole, entry.quota);
    return 'appended';
  }

  /** True if a text of this size can be stored without its own eviction: the store evicts down to quotas of the same size. */
  #hasRoom(bytes: number, quota: string): boolean {
    let total = bytes;
    for (const [name, holding] of this.#holdings) if (name !== quota) total += Math.min(bytes, holding.bytes);
    return total <= this.#bounds.bytes;
  }

  #add(key: string, text: string, quota: string): void {
    const bytes = bytesOf(key, text);
    this.#entries.set(key, { quota, bytes, text, expires: performance.now() + this.#bounds.ttl });
    this.#bytes += bytes;
    const holding = this.#holdings.get(quota) ?? { keys: new Set(), bytes: 0 };
    holding.keys.add(key);
    holding.bytes += bytes;
    this.#holdings.set(quota, holding);
    this.#evict();
  }

  #evict(): void {
    const { entries, bytes } = this.#bounds;
    while (this.#bytes > bytes) this.#removeOldest(largest(this.#holdings, (holding) => holding.bytes));
    while (this.#entries.size > entries) this.#removeOldest(largest(this.#holdings, ({ keys }) => keys.size));
  }

  #removeOldest({ keys }: Holding): void {
    for (const oldest of keys) {
      this.#remove(oldest);
      return;
    }
  }

  #expire(): void {
    const now = performance.now();
    for (const [key, { expires }] of this.#entries) {
      if (expires > now) return;
      this.#remove(key);
    }
  }

  #remove(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    const { quota, bytes } = entry;
    this.#entries.delete(key);
    this.#bytes -= bytes;
    const holding = this.#holdings.get(quota);
    if (holding === undefined) return true;
    holding.keys.delete(key);
    holding.bytes -= bytes;
    if (holding.keys.size === 0) this.#holdings.delete(quota);
    return true;
  }
}

/** @returns the bytes that a text counts with */
function bytesOf(key: string, text: string): number {
  return 2 * (key.length + text.length);
}

/** An id contains no colon, so no two pairs of owner and id have the same key. */
function keyOf(owner: string, id: string): string {
  return `${owner}:${id}`;
}

/** Linear in the number of quotas, which is at most the number of texts. Only needed when the store is full. */
function largest(holdings: ReadonlyMap<string, Holding>, sizeOf: (holding: Holding) => number): Holding {
  let found: Holding = { keys: new Set(), bytes: 0 };
  for (const holding of holdings.values()) if (sizeOf(holding) > sizeOf(found)) found = holding;
  return found;
}
