import { Counter, Gauge, type Registry } from 'prom-client';
import type { ConfiguredSeries } from './configured-series.ts';

/** One value of a gauge. */
export interface Sample<Label extends string> {
  readonly labels: Readonly<Record<Label, string>>;
  readonly value: number;
}

/** Returns the values of the gauges. Every scrape calls it. */
export interface StatusSource {
  /** Requests that run or are received, by the label of their key. */
  inFlight(): Iterable<Sample<'key'>>;
  /** Requests that wait for a slot. */
  queued(): Iterable<Sample<'key' | 'priority'>>;
  /** The used share of each limit, 1 for all of it. It may be some seconds old. */
  limits(): Promise<Iterable<Sample<'key' | 'limit'>>>;
  /** Bytes of the models in memory at the last health check. */
  loadedBytes(): Iterable<Sample<'upstream' | 'model'>>;
  /** Requests that a server with a queue gets at a time. */
  slots(): Iterable<Sample<'upstream'>>;
}

/** The metrics of what runs, waits and is loaded at the moment. */
export class StatusMetrics {
  source: StatusSource | undefined;
  readonly modelLoads: Counter<'upstream' | 'model'>;
  readonly #registry: Registry;
  readonly #configured: Pick<ConfiguredSeries, 'has'>;

  constructor(registry: Registry, configured: Pick<ConfiguredSeries, 'has'>) {
    this.#configured = configured;
    this.#registry = registry;
    this.modelLoads = new Counter({
      name: 'llamaduct_model_loads_total',
      help: 'Answers for which the server had to load the model first, as far as it reports that.',
      labelNames: ['upstream', 'model'],
      registers: [registry],
    });
    this.#addGaugesOfKeys();
    this.#addGaugesOfServers();
  }

  #addGaugesOfKeys(): void {
    this.#gauge(
      {
        name: 'llamaduct_key_in_flight',
        help: 'Requests that run a model and do not wait, by key.',
        labelNames: ['key'],
      },
      (source) => source.inFlight(),
    );
    this.#gauge(
      {
        name: 'llamaduct_key_queued',
        help: 'Requests that wait in a queue, by key and priority.',
        labelNames: ['key', 'priority'],
      },
      (source) => source.queued(),
    );
    this.#gauge(
      {
        name: 'llamaduct_limit_used_ratio',
        help: 'Used share of each limit of a key or its group, by the name of the setting; 1 for all of it.',
        labelNames: ['key', 'limit'],
      },
      (source) => source.limits(),
    );
  }

  #addGaugesOfServers(): void {
    this.#gauge(
      {
        name: 'llamaduct_model_loaded_bytes',
        help: 'Memory of the models that a server has loaded, as far as it reports that.',
        labelNames: ['upstream', 'model'],
      },
      (source) => source.loadedBytes(),
    );
    this.#gauge(
      {
        name: 'llamaduct_upstream_slots',
        help: 'Requests that an upstream with a queue gets at a time.',
        labelNames: ['upstream'],
      },
      (source) => source.slots(),
    );
  }

  #gauge<Label extends string>(
    options: { readonly name: string; readonly help: string; readonly labelNames: Label[] },
    read: (source: StatusSource) => Iterable<Sample<Label>> | Promise<Iterable<Sample<Label>>>,
  ): void {
    const gauge: Gauge<Label> = new Gauge({
      ...options,
      registers: [this.#registry],
      collect: async () => {
        const samples = this.source === undefined ? [] : await read(this.source);
        gauge.reset();
        for (const { labels, value } of samples) if (this.#configured.has(labels)) gauge.inc(labels, value);
      },
    });
  }
}
