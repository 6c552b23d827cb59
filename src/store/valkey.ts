import { Redis } from 'iovalkey';
import type { TextStore } from '../chat/protocol.ts';
import { GatewayError } from '../errors.ts';

/** Milliseconds for a connection attempt and for each command. */
const deadline = 2_000;

/**
 * Opens a connection that reconnects by itself; while it is down, commands fail at once. Waits for the first attempt,
 * and resolves even if it fails: llamaduct starts without the server.
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
  // Without a listener the process would exit. Each command reports its own failure.
  valkey.on('error', () => undefined);
  await valkey.connect().catch(() => undefined);
  return valkey;
}

/** Stores texts in Valkey or Redis, which expires them. */
export class ValkeyTextStore implements TextStore {
  readonly #valkey: Redis;
  readonly #ttl: number;

  /** @param ttl milliseconds that a text is kept */
  constructor(valkey: Redis, ttl: number) {
    this.#valkey = valkey;
    this.#ttl = ttl;
  }

  async get(key: string): Promise<string | undefined> {
    return (await unlessUnavailable(this.#valkey.get(keyPrefix + key))) ?? undefined;
  }

  async put(key: string, text: string): Promise<void> {
    await unlessUnavailable(this.#valkey.set(keyPrefix + key, text, 'PX', this.#ttl));
  }

  async delete(key: string): Promise<boolean> {
    return (await unlessUnavailable(this.#valkey.del(keyPrefix + key))) > 0;
  }
}

const keyPrefix = 'llamaduct:kept:';

/** @throws {GatewayError} 503 store_unavailable when the command fails */
async function unlessUnavailable<T>(command: Promise<T>): Promise<T> {
  try {
    return await command;
  } catch (cause) {
    throw new GatewayError('store_unavailable', 'Stored responses cannot be reached at the moment.', {
      cause,
      retryAfter: 5,
    });
  }
}
