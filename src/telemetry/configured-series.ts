import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client';

/** The names in the configuration that are labels in metrics. */
export interface ConfiguredLabels {
  /** Labels of keys in the metrics of requests. */
  readonly keys: readonly string[];
  /** A key or group, and the name of the setting that limits it. */
  readonly limits: readonly { readonly key: string; readonly limit: string }[];
  readonly upstreams: readonly ConfiguredUpstream[];
}

interface ConfiguredUpstream {
  readonly name: string;
  readonly hasQueue: boolean;
}

/** Labels of requests without a key or an upstream. */
const always = 'none';

/** A metric as far as its series are removed here. */
interface Removable {
  readonly name: string;
  get(): Promise<MetricObjectWithValues<MetricValue<string>>>;
  remove(labels: object): void;
}

/** Removes the series of keys and upstreams that are no longer configured. */
export class ConfiguredSeries {
  readonly #registry: Registry;
  #keys: ReadonlySet<string> = new Set();
  #upstreams: ReadonlySet<string> = new Set();
  /** True once a label was removed: requests that were under way then may bring its series back. */
  #mayHaveOthers = false;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  use({ keys, limits, upstreams }: ConfiguredLabels): void {
    const [oldKeys, oldUpstreams] = [this.#keys, this.#upstreams];
    this.#keys = new Set([always, ...keys, ...limits.map(({ key }) => key)]);
    this.#upstreams = new Set([always, ...upstreams.map(({ name }) => name)]);
    const isRemoved = [...oldKeys].some((key) => !this.#keys.has(key));
    this.#mayHaveOthers ||= isRemoved || [...oldUpstreams].some((upstream) => !this.#upstreams.has(upstream));
  }

  /** Call it before each scrape. */
  async removeOthers(): Promise<void> {
    if (!this.#mayHaveOthers) return;
    const metrics = this.#registry.getMetricsAsArray() as unknown as readonly Removable[];
    await Promise.all(metrics.filter(({ name }) => name.startsWith('llamaduct_')).map((one) => this.#removeFrom(one)));
  }

  async #removeFrom(metric: Removable): Promise<void> {
    const { values } = await metric.get();
    for (const { labels } of values) if (!this.has(labels)) metric.remove(labels);
  }

  /** True for labels of a key and an upstream that are configured, as far as they name any. */
  has({ key, upstream }: MetricValue<string>['labels']): boolean {
    return (
      (key === undefined || this.#keys.has(String(key))) &&
      (upstream === undefined || this.#upstreams.has(String(upstream)))
    );
  }
}
