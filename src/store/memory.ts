import type { TextStore } from '../chat/protocol.ts';

interface Bounds {
  /** Maximum number of texts. */
  readonly entries: number;
  /** Maximum size of keys and texts together, at two bytes per character. */
  readonly bytes: number;
  /** Milliseconds that a text is kept. */
  readonly ttl: number;
}

interface Entry {
  readonly text: string;
  readonly expires: number;
}

/** Stores texts in this process. When it is full, the oldest text is evicted first. */
export class MemoryTextStore implements TextStore {
  readonly #bounds: Bounds;
  /** In the order of their last `put`, in which they also expire. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  async get(key: string): Promise<string | undefined> {
    this.#expire();
    return this.#entries.get(key)?.text;
  }

  async put(key: string, text: string): Promise<void> {
    this.#remove(key);
    this.#expire();
    const { entries, bytes, ttl } = this.#bounds;
    const size = sizeOf(key, text);
    if (size > bytes || entries === 0) return;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < entries && this.#bytes + size <= bytes) break;
      this.#remove(oldest);
    }
    this.#entries.set(key, { text, expires: performance.now() + ttl });
    this.#bytes += size;
  }

  async delete(key: string): Promise<boolean> {
    this.#expire();
    return this.#remove(key);
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
    this.#bytes -= sizeOf(key, entry.text);
    return this.#entries.delete(key);
  }
}

function sizeOf(key: string, text: string): number {
  return 2 * (key.length + text.length);
}
