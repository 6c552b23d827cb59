import type { Backend } from '../chat/backend.ts';
import type { UpstreamClient } from '../upstreams/http/client.ts';
import type { BackendKind } from '../upstreams/index.ts';
import type { Health } from './health.ts';
import type { LoadTimes } from './models/load-times.ts';
import type { ModelCatalog } from './models/model-catalog.ts';
import type { ModelHealth } from './models/model-health.ts';
import type { OutputRate } from './output-rate.ts';
import type { ToolSupport } from './models/tool-support.ts';
import type { UpstreamQueue } from './upstream-queue.ts';

/** The behaviour of a server for models that it does not list. */
export interface Unlisted {
  /** Undefined as long as that is unknown. Some OpenAI-compatible servers take any name. */
  known: 'refuses' | 'serves' | undefined;
  /** Resolves when the request that finds it out has ended; undefined if none is under way. */
  asking: Promise<void> | undefined;
}

/** One server, and everything that is known about it. */
export interface Upstream {
  readonly name: string;
  readonly kind: BackendKind;
  readonly client: UpstreamClient;
  readonly backend: Backend;
  readonly catalog: ModelCatalog;
  /** Absent for a server without `parallel`: it gets every request at once. */
  readonly queue: UpstreamQueue | undefined;
  readonly health: Health;
  readonly modelHealth: ModelHealth;
  readonly loadTimes: LoadTimes;
  readonly outputRate: OutputRate;
  readonly unlisted: Unlisted;
  readonly toolSupport: ToolSupport;
  /** Its capacity relative to the other servers. */
  weight: number;
  /** True once a reload has removed it: it completes its requests, and gets no new ones. */
  isRetired?: boolean;
  /** Number of requests that it serves or that wait in its queue. */
  outstanding: number;
  /** Models in its memory at the last health check; undefined if unknown, or if its queue knows better. */
  loadedModels?: ReadonlySet<string> | undefined;
}

/** The properties of a request that decide which server gets it. */
export interface Target {
  readonly model: string;
  /** Identifies the conversation, for its prompt cache; undefined for none. Called only if there is a choice. */
  readonly conversation: () => string | undefined;
  /** The only kind of server that can take the request. Absent: any kind. */
  readonly kind?: BackendKind;
  /** True if the answer is constrained by a schema, which is a known cause of crashes. */
  readonly hasSchema?: boolean;
}

/**
 * The model that a server may have to load for a request; '' if it loads none, or does not have the model and so refuses the
 * request at once.
 */
export function modelToLoad({ catalog, queue }: Upstream, model: string): string {
  return queue?.swapsModels === true && catalog.has(model) ? catalog.canonical(model) : '';
}
