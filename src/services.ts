import type { Config } from './config/schema.ts';
import type { TokenCounter } from './handlers/steps/token-counter.ts';
import type { ExchangeRegistry } from './exchange/registry.ts';
import type { Admission } from './http/admission.ts';
import type { DroppedFieldReporter } from './handlers/steps/dropped-fields.ts';
import type { PdfExtractor } from './documents/pdf-extractor.ts';
import type { ImageFetcher } from './images/fetch.ts';
import type { Limiter } from './limits/limiter.ts';
import type { Gatekeeper } from './policy/auth.ts';
import type { ModelRules } from './policy/model-rules.ts';
import type { UpstreamPool } from './pool/pool.ts';
import type { Upstream } from './pool/upstream.ts';
import type { StatusHistory } from './status/history.ts';
import type { Searcher } from './search/searcher.ts';
import type { Metrics } from './telemetry/metrics.ts';
import type { UsageLedger } from './usage/ledger.ts';

/** The parts that handlers work with. */
export interface Services {
  readonly config: Pick<
    Config,
    | 'listen'
    | 'trusted_proxies'
    | 'allowed_hosts'
    | 'cors'
    | 'keys_in_path'
    | 'limits'
    | 'timeouts'
    | 'strict'
    | 'validate_json'
    | 'embeddings'
    | 'images'
    | 'documents'
    | 'default_for_unknown'
  >;
  readonly rules: ModelRules;
  /** Absent if images are not fetched from URLs. */
  readonly images: ImageFetcher | undefined;
  /** Absent if the text of PDFs is not extracted. */
  readonly documents: PdfExtractor | undefined;
  /** Absent if models cannot search the web. */
  readonly search: Searcher | undefined;
  readonly gatekeeper: Gatekeeper;
  readonly admission: Admission;
  readonly limiter: Pick<Limiter, 'enterConcurrent' | 'reserve' | 'running' | 'state' | 'close'>;
  readonly usage: UsageLedger;
  readonly exchanges: ExchangeRegistry;
  readonly metrics: Metrics;
  readonly droppedFields: DroppedFieldReporter;
  readonly pool: UpstreamPool;
  readonly tokenCounter: TokenCounter;
  readonly history: StatusHistory;
}

/** The services for an attempt on one server. */
export interface UpstreamServices extends Services {
  readonly upstream: Upstream;
}
