import type { Config } from '../config/schema.ts';
import type { ImageFetcher } from '../images/fetch.ts';
import type { Gatekeeper } from '../policy/auth.ts';
import type { Shaper } from '../policy/shaping.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import type { Exchanges } from './exchanges.ts';
import type { Fleet } from './fleet.ts';
import type { DroppedLedger } from './ledger.ts';
import type { Upstream } from './upstream.ts';

/** What the handlers work with. */
export interface Services {
  readonly config: Pick<
    Config,
    'cors' | 'limits' | 'timeouts' | 'strict' | 'validate_json' | 'images' | 'default_for_unknown'
  >;
  readonly shaper: Shaper;
  /** Absent where addresses of images are not to be fetched. */
  readonly images: ImageFetcher | undefined;
  readonly gatekeeper: Gatekeeper;
  readonly limiter: Pick<Limiter, 'enter' | 'take' | 'close'>;
  readonly usage: UsageLedger;
  readonly exchanges: Exchanges;
  readonly metrics: Metrics;
  readonly ledger: DroppedLedger;
  readonly fleet: Fleet;
}

/** The same, at one of the upstreams. */
export interface LocalServices extends Services {
  readonly upstream: Upstream;
}
