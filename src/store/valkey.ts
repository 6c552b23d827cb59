import { Redis } from 'iovalkey';
import type { TextStore } from '../chat/protocol.ts';
import { GatewayError } from '../errors.ts';

/** Milliseconds for an answer: nothing here is worth waiting for longer. */
const deadline = 2_000;

/**
 * A connection that comes back by itself; what is asked while it is gone fails at once. Waits a moment for it to be
 * there: a server that is not does not keep llamaduct from starting.
 */
export async function connectValkey(url: string): Promise<Redis> {
  const valkey = new Redis(url, {
    lazyConnect: true,
    commandTimeout: deadline,
    connectTimeout: deadline,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
  });
  // Each command tells of its own failure.
  valkey.on('error', () => undefined);
  await valkey.connect().catch(() => undefined);
  return valkey;
}

/** Keeps texts in Valkey or Redis, which forgets them by itself. */
export class ValkeyKeeper implements TextStore {
  readonly #valkey: Redis;
  readonly #ttl: number;

  /** @param ttl milliseconds that a text is kept */
  constructor(valkey: Redis, ttl: number) {
    this.#valkey = valkey;
    this.#ttl = ttl;
  }

  async get(key: string): Promise<string | undefined> {
    return (await answered(this.#valkey.get(prefix + key))) ?? undefined;
  }

  async put(key: string, text: string): Promise<void> {
    await answered(this.#valkey.set(prefix + key, text, 'PX', this.#ttl));
  }

  async delete(key: string): Promise<boolean> {
    return (await answered(this.#valkey.del(prefix + key))) > 0;
  }
}

const prefix = 'llamaduct:kept:';

async function answered<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (cause) {
    throw new GatewayError('store_unavailable', 'What was kept cannot be reached.', { cause, retryAfter: 5 });
  }
}
