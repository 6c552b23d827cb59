import type { Metric, MetricObjectWithValues, MetricValueWithName, Registry } from 'prom-client';

interface SeriesOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds in ascending order. */
  readonly buckets: readonly number[];
}

/** The observations of one set of labels. */
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
    // A linear search: there are few buckets, and most values are in the first ones.
    for (let bucket = 0; bucket < this.#buckets.length; bucket += 1) {
      if (value > (this.#buckets[bucket] ?? 0)) continue;
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
      return;
    }
  }

  /** @returns the samples of the Prometheus text format, whose buckets are cumulative */
  values(name: string): MetricValueWithName<string>[] {
    const { labels } = this;
    let cumulative = 0;
    const buckets = this.#buckets.map((le, bucket) => {
      cumulative += this.#counts[bucket] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: cumulative };
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
 * A histogram for observations per token: a series is looked up once per answer, whereas prom-client's histogram hashes
 * the labels on every observation.
 */
export class SeriesHistogram<Label extends string = string> {
  readonly #options: SeriesOptions;
  readonly #series = new Map<string, Series>();

  constructor(registry: Registry, options: SeriesOptions) {
    this.#options = options;
    const { name } = options;
    // A registry uses nothing else of a metric.
    registry.registerMetric({
      name,
      get: () => Promise.resolve(this.#collect()),
      remove: (labels: Record<string, unknown>) => this.#remove(labels),
    } as unknown as Metric);
  }

  /** @param labels must have a bounded number of values. @returns the series of these labels */
  of(labels: Readonly<Record<Label, string>>): Series {
    const key = JSON.stringify(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series = new Series(labels, this.#options.buckets);
    this.#series.set(key, series);
    return series;
  }

  /** @param labels must have a bounded number of values */
  observe(labels: Readonly<Record<Label, string>>, value: number): void {
    this.of(labels).observe(value);
  }

  /** @param labels of one of its samples; the `le` of a bucket is no label of the series */
  #remove(labels: Record<string, unknown>): void {
    const own = Object.entries(labels).filter(([name]) => name !== 'le');
    this.#series.delete(JSON.stringify(Object.fromEntries(own)));
  }

  #collect(): Omit<MetricObjectWithValues<MetricValueWithName<string>>, 'type' | 'collect'> & { type: string } {
    const { name, help } = this.#options;
    const values = [...this.#series.values()].flatMap((series) => series.values(name));
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}
