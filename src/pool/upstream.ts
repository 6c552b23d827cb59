import type { Backend } from '../chat/backend.ts';
import type { ModelCatalog } from './model-catalog.ts';
import type { UpstreamClient } from '../upstreams/http/client.ts';
import type { Health } from './health.ts';
import type { BackendKind } from '../upstreams/index.ts';
import type { UpstreamQueue } from './upstream-queue.ts';

/** An upstream, and how to speak with it. */
export interface Upstream {
  readonly name: string;
  readonly kind: BackendKind;
  readonly client: UpstreamClient;
  readonly backend: Backend;
  readonly catalog: ModelCatalog;
  /** Absent where nobody has to wait: it gets as many requests as come. */
  readonly queue: UpstreamQueue | undefined;
  readonly health: Health;
  /** How much it can do, against the others. */
  readonly weight: number;
  /** The models that it held in memory when it was last looked at, where that is known and no queue knows better. */
  loadedModels?: ReadonlySet<string> | undefined;
}

/** The model that an upstream may have to load for a request; '' for none, as for one it does not have: it refuses that at once. */
export function modelToLoad({ catalog, queue }: Upstream, model: string): string {
  return queue?.swapsModels === true && catalog.has(model) ? catalog.canonical(model) : '';
}
