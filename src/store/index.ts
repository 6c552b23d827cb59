import type { Redis } from 'iovalkey';
import type { TextStore } from '../chat/protocol.ts';
import type { Config } from '../config/schema.ts';
import { UsageLedger } from '../usage/ledger.ts';
import { MemoryKeeper } from './memory.ts';

/** What outlives a request, and where it is kept. */
export interface State {
  readonly keeper: TextStore;
  readonly usage: UsageLedger;
  /** Where several llamaducts share what they count. */
  readonly valkey: Redis | undefined;
  close(): void;
}

/**
 * Opens what the configuration names.
 *
 * @param onUsageFailure hears of usage that could not be written
 * @throws {ConfigError} where the file of usage cannot be opened
 */
export async function openState(
  { responses, usage: { file, retention }, valkey: shared }: Config,
  onUsageFailure: (error: unknown) => void,
): Promise<State> {
  const usage = new UsageLedger(file ?? ':memory:', retention, onUsageFailure);
  const { keeper, valkey } =
    shared === undefined
      ? { keeper: new MemoryKeeper(responses), valkey: undefined }
      : await openValkey(shared.url, responses.ttl);
  return {
    keeper,
    usage,
    valkey,
    close: () => {
      usage.close();
      valkey?.disconnect();
    },
  };
}

/** Loads what speaks with Valkey where it is needed: it takes memory. */
async function openValkey(url: string, ttl: number): Promise<{ keeper: TextStore; valkey: Redis }> {
  const { ValkeyKeeper, connectValkey } = await import('./valkey.ts');
  const valkey = await connectValkey(url);
  return { keeper: new ValkeyKeeper(valkey, ttl), valkey };
}
