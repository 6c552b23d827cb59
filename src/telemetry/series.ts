import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client';

interface SeriesOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds, the least first. */
  readonly buckets: readonly number[];
}

/** What was observed with the same labels. */
export class Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly #buckets: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(labels: Readonly<Record<string, string>>, buckets: readonly number[]) {
    this.labels = labels;
    this.#buckets = buckets;
    this.#counts = buckets.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    // Few buckets, and most values in the first of them.
    for (let bucket = 0; bucket < this.#buckets.length; bucket += 1) {
      if (value > (this.#buckets[bucket] ?? 0)) continue;
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
      return;
    }
  }

  /** As Prometheus wants them: each bucket with all that is in those before it. */
  values(name: string): MetricValueWithName<string>[] {
    const { labels } = this;
    let below = 0;
    const buckets = this.#buckets.map((le, bucket) => {
      below += this.#counts[bucket] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: this.#count },
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: this.#count },
    ];
  }
}

/**
 * A histogram for what is observed at every token, and several times a request: a series can be looked up once an answer,
 * where prom-client's own histogram hashes its labels each time.
 */
export class SeriesHistogram<Label extends string = string> {
  readonly #options: SeriesOptions;
  readonly #series = new Map<string, Series>();

  constructor(registry: Registry, options: SeriesOptions) {
    this.#options = options;
    const { name } = options;
    // All that a registry asks of a metric.
    registry.registerMetric({ name, get: () => Promise.resolve(this.#told) } as unknown as Metric);
  }

  /** @param labels bounded in number */
  of(labels: Readonly<Record<Label, string>>): Series {
    const key = JSON.stringify(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series = new Series(labels, this.#options.buckets);
    this.#series.set(key, series);
    return series;
  }

  /** @param labels bounded in number */
  observe(labels: Readonly<Record<Label, string>>, value: number): void {
    this.of(labels).observe(value);
  }

  get #told(): Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'type' | 'collect'> & { type: string } {
    const { name, help } = this.#options;
    const values = [...this.#series.values()].flatMap((series) => series.values(name));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
