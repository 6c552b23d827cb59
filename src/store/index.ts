import type { Redis } from 'iovalkey';
import type { TextStore } from '../chat/protocol.ts';
import type { Config } from '../config/schema.ts';
import { UsageLedger } from '../usage/ledger.ts';
import { MemoryTextStore } from './memory.ts';
import type { StoreStatus } from './status.ts';

/** Everything that outlives a request. */
export interface State {
  /** Stored responses. */
  readonly textStore: TextStore;
  readonly usage: UsageLedger;
  /** The connection that instances share their limits through; undefined for a single instance. */
  readonly valkey: Redis | undefined;
  /** Replaces the bounds of stored responses, and how long usage rows are stored. */
  use(config: Pick<Config, 'responses' | 'usage'>): void;
  /** The state of the connection that instances share. */
  readonly status: StoreStatus;
  close(): void;
}

/**
 * Opens the configured stores.
 *
 * @param status learns whether the server for shared state works
 * @param onUsageFailure called for each usage row that is lost, and when expired rows cannot be deleted
 * @throws {ConfigError} when the usage file cannot be opened
 */
export async function openState(
  { responses, usage: { file, retention }, valkey: valkeyConfig }: Config,
  status: StoreStatus,
  onUsageFailure: (error: unknown) => void,
): Promise<State> {
  const usage = new UsageLedger(file ?? ':memory:', retention, onUsageFailure);
  const { textStore, valkey } =
    valkeyConfig === undefined
      ? { textStore: new MemoryTextStore(responses), valkey: undefined }
      : await openValkey(valkeyConfig.url, responses, status);
  return {
    textStore,
    usage,
    valkey,
    status,
    use: (config) => {
      textStore.use(config.responses);
      usage.use(config.usage.retention);
    },
    close: () => {
      status.stop();
      usage.close();
      valkey?.disconnect();
    },
  };
}

/** Imports the Valkey client only when it is needed, to save memory. */
async function openValkey(
  url: string,
  bounds: Config['responses'],
  status: StoreStatus,
): Promise<{ textStore: TextStore & { use(bounds: Config['responses']): void }; valkey: Redis }> {
  const { ValkeyTextStore, connectValkey } = await import('./valkey.ts');
  const valkey = await connectValkey(url, status);
  return { textStore: new ValkeyTextStore(valkey, bounds), valkey };
}
