import type { Backend } from '../chat/backend.ts';
import type { Config } from '../config/schema.ts';
import type { ImageFetcher } from '../images/fetch.ts';
import type { Gatekeeper } from '../policy/auth.ts';
import type { Shaper } from '../policy/shaping.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { BackendKind } from '../upstreams/index.ts';
import type { ModelCatalog } from '../upstreams/catalog.ts';
import type { UpstreamClient } from '../upstreams/client.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import type { Exchanges } from './exchanges.ts';
import type { DroppedLedger } from './ledger.ts';
import type { UpstreamQueue } from './queue.ts';

/** An upstream, and how to speak with it. */
export interface Upstream {
  readonly name: string;
  readonly kind: BackendKind;
  readonly client: UpstreamClient;
  readonly backend: Backend;
  readonly catalog: ModelCatalog;
  /** Absent where nobody has to wait: it gets as many requests as come. */
  readonly queue: UpstreamQueue | undefined;
}

/** What the handlers work with. */
export interface Services {
  readonly config: Pick<Config, 'limits' | 'timeouts' | 'strict' | 'validate_json' | 'images' | 'default_for_unknown'>;
  readonly shaper: Shaper;
  /** Absent where addresses of images are not to be fetched. */
  readonly images: ImageFetcher | undefined;
  readonly gatekeeper: Gatekeeper;
  readonly limiter: Pick<Limiter, 'enter' | 'take' | 'close'>;
  readonly usage: UsageLedger;
  readonly exchanges: Exchanges;
  readonly metrics: Metrics;
  readonly ledger: DroppedLedger;
  readonly upstream: Upstream;
}
