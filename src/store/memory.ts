import type { TextStore } from '../chat/protocol.ts';

interface Bounds {
  readonly entries: number;
  /** Of keys and texts together, two for each character. */
  readonly bytes: number;
  /** Milliseconds that a text is kept. */
  readonly ttl: number;
}

interface Entry {
  readonly text: string;
  readonly expires: number;
}

/** Keeps texts in this process. What was put first goes first where there is no room. */
export class MemoryKeeper implements TextStore {
  readonly #bounds: Bounds;
  /** In the order they were put, which is the order they expire in. */
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
