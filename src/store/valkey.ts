import { Redis } from 'iovalkey';
import { GatewayError } from '../errors.ts';
import type { TextStore } from '../chat/protocol.ts';
import { withTimeout } from '../with-timeout.ts';
import type { StoreStatus } from './status.ts';

/** Milliseconds for a connection attempt, and for the server to respond to a command. */
const deadline = 2_000;

/** Milliseconds between two probes while the server works, and while it does not. */
const probeInterval = { up: 5_000, down: 1_000 };

/** Milliseconds that the key of a probe exists. */
const probeTtl = 10_000;

type Status = Pick<StoreStatus, 'succeeded' | 'failed' | 'isUp' | 'cause'>;

/** Writes as the counting script does, so that a server that only reads does not pass for one that works. */
const probeScript = `return redis.call('SET', KEYS[1], ARGV[1], 'PX', ${probeTtl})`;

/**
 * Opens a connection that reconnects by itself; while it is down, commands fail at once. A server that does not respond to a
 * command in time is disconnected, so that only one command has to wait for it. Waits for the first attempt, and resolves
 * even if it fails: llamaduct starts without the server.
 *
 * @param status learns whether the server works, from regular probes too
 */
export async function connectValkey(url: string, status?: Status): Promise<Redis> {
  const valkey = new Redis(url, {
    lazyConnect: true,
    commandTimeout: deadline,
    socketTimeout: deadline,
    connectTimeout: deadline,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(100 * attempt, 2_000),
  });
  // Without a listener the process would exit. Each command reports its own failure.
  valkey.on('error', (error) => status?.failed(error));
  // A server that loads its data takes the connection and is not ready for minutes.
  await withTimeout(
    deadline,
    valkey.connect().catch(() => undefined),
  );
  if (status !== undefined) await watch(valkey, status);
  return valkey;
}

/** Probes the server now, when it is connected again, and at intervals until the connection is closed. */
async function watch(valkey: Redis, status: Status): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const probe = async (): Promise<void> => {
    await probeOnce(valkey).then(
      () => status.succeeded(),
      (error: unknown) => status.failed(error),
    );
  };
  const schedule = (): void => {
    if (valkey.status === 'end') return;
    timer = setTimeout(() => void probeAgain(), status.isUp ? probeInterval.up : probeInterval.down).unref();
  };
  const probeAgain = async (): Promise<void> => {
    await probe();
    // After a failover, the name of the server may lead to another one.
    if (status.cause === 'READONLY') valkey.disconnect(true);
    schedule();
  };
  await probe();
  schedule();
  valkey.on('ready', () => void probe()).on('end', () => clearTimeout(timer));
}

/** @throws what keeps the server from being used */
async function probeOnce(valkey: Redis): Promise<void> {
  if (valkey.status !== 'ready') {
    // While it loads its data, it answers only such commands.
    const info = await valkey.info('persistence');
    throw new Error(/^loading:1/m.test(info) ? 'LOADING' : 'connection is closed');
  }
  await valkey.eval(probeScript, 1, 'llamaduct:probe', Date.now());
}

/** The bounds of one quota. */
interface QuotaBounds {
  /** Maximum number of texts. */
  readonly entries: number;
  /** Maximum size of the texts, in bytes. */
  readonly bytes: number;
  /** Milliseconds that a text is stored. */
  readonly ttl: number;
}

/** Stores texts in Valkey or Redis, which expires them. When a quota is full, its oldest texts are deleted. */
export class ValkeyTextStore implements TextStore {
  readonly #valkey: Redis;
  #bounds: QuotaBounds;

  constructor(valkey: Redis, bounds: QuotaBounds) {
    this.#valkey = valkey;
    this.#bounds = bounds;
  }

  /** Replaces the bounds for texts that are stored from now on. */
  use(bounds: QuotaBounds): void {
    this.#bounds = bounds;
  }

  async get(owner: string, id: string): Promise<string | undefined> {
    return (await unlessUnavailable(this.#valkey.get(keyOf(owner, id)))) ?? undefined;
  }

  async put(owner: string, id: string, text: string, quota = owner): Promise<void> {
    const { entries, bytes, ttl } = this.#bounds;
    // It would evict everything, including itself.
    if (Buffer.byteLength(text) > bytes) return;
    await unlessUnavailable(
      this.#valkey.eval(putWithinBounds, 3, keyOf(owner, id), ...indexOf(quota), text, ttl, entries, bytes, Date.now()),
    );
  }

  /** A text that was put into another quota counts against both until it expires. */
  async append(owner: string, id: string, text: string, quota = owner): Promise<'appended' | 'absent' | 'full'> {
    const { entries, bytes, ttl } = this.#bounds;
    const appended = this.#valkey.eval(
      appendWithinBounds,
      3,
      keyOf(owner, id),
      ...indexOf(quota),
      text,
      ttl,
      entries,
      bytes,
      Date.now(),
    );
    return (await unlessUnavailable(appended)) as 'appended' | 'absent' | 'full';
  }

  /** A text stored with another quota than the owner's counts against it until it expires. */
  async delete(owner: string, id: string): Promise<boolean> {
    const deleted = this.#valkey.eval(deleteText, 3, keyOf(owner, id), ...indexOf(owner));
    return (await unlessUnavailable(deleted)) === 1;
  }
}

/** An id contains no colon, so no two pairs of owner and id have the same key. */
function keyOf(owner: string, id: string): string {
  return `llamaduct:kept:response:${owner}:${id}`;
}

/** @returns the keys of a quota's index: a sorted set of text keys by the time of their last `put`, and a hash of their sizes */
function indexOf(quota: string): [times: string, sizes: string] {
  return [`llamaduct:kept-times:${quota}`, `llamaduct:kept-sizes:${quota}`];
}

/**
 * KEYS: the text, and the two keys of its quota's index; the hash has the sum of the sizes in its field ''. ARGV: the text, its
 * milliseconds to live, the quota's maximum number of texts and of bytes, and the time in milliseconds.
 */
const bounded = `
local text, times, sizes = KEYS[1], KEYS[2], KEYS[3]
local ttl, entries, bytes, now = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function resize(key, size)
  local change = size - tonumber(redis.call('HGET', sizes, key) or 0)
  if size > 0 then redis.call('HSET', sizes, key, size) else redis.call('HDEL', sizes, key) end
  return redis.call('HINCRBY', sizes, '', change)
end
local function index(size)
  -- The text is the newest one, also within one millisecond and if the clock of another instance is ahead.
  local newest = redis.call('ZRANGE', times, -1, -1, 'WITHSCORES')
  redis.call('ZADD', times, newest[1] and math.max(now, tonumber(newest[2]) + 0.001) or now, text)
  local total = resize(text, size)
  while true do
    local oldest = redis.call('ZRANGE', times, 0, 0, 'WITHSCORES')
    local over = redis.call('ZCARD', times) > entries or total > bytes
    if not oldest[1] or not (over or tonumber(oldest[2]) <= now - ttl) then break end
    redis.call('DEL', oldest[1])
    redis.call('ZREM', times, oldest[1])
    total = resize(oldest[1], 0)
  end
  redis.call('PEXPIRE', times, ttl)
  redis.call('PEXPIRE', sizes, ttl)
end`;

const putWithinBounds = `${bounded}
redis.call('SET', text, ARGV[1], 'PX', ttl)
index(#ARGV[1])`;

/** KEYS and ARGV: as above. Returns what became of the text. */
const appendWithinBounds = `${bounded}
if redis.call('EXISTS', text) == 0 then return 'absent' end
if redis.call('STRLEN', text) + #ARGV[1] > bytes then return 'full' end
local size = redis.call('APPEND', text, ARGV[1])
redis.call('PEXPIRE', text, ttl)
index(size)
return 'appended'`;

/** KEYS: as above. Returns 1 if there was a text to delete. */
const deleteText = `
local size = redis.call('HGET', KEYS[3], KEYS[1])
if size then redis.call('HINCRBY', KEYS[3], '', -size) end
redis.call('HDEL', KEYS[3], KEYS[1])
redis.call('ZREM', KEYS[2], KEYS[1])
return redis.call('DEL', KEYS[1])`;

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
