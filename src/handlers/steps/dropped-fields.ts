import { invalidValue, quoted } from '../../errors.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** In strict mode, refuses a request with unsupported fields. @throws {GatewayError} 400 for the first of `fields` */
export function rejectDroppedFields([field]: readonly string[]): void {
  if (field === undefined) return;
  throw invalidValue(field, `${quoted(field)} would change nothing, and this server is strict.`);
}

const maxListed = 20;

/** Counts dropped fields and lists them in a response header. */
export class DroppedFieldReporter {
  readonly #metrics: Metrics;
  readonly #known: ReadonlySet<string>;

  /** @param known fields with a series of their own; clients can send any name, so all other fields share one */
  constructor(metrics: Metrics, known: Iterable<string>) {
    this.#metrics = metrics;
    this.#known = new Set(known);
    for (const field of [...this.#known, 'other']) metrics.lossy.inc({ field }, 0);
  }

  /** Counts the dropped fields of one request. @returns the header that lists them; empty if there are none */
  headers(fields: readonly string[]): Record<string, string> {
    for (const field of new Set(fields)) this.#metrics.lossy.inc({ field: this.#known.has(field) ? field : 'other' });
    return droppedHeader(fields);
  }
}

/** @returns the header that lists dropped fields; empty if there are none */
export function droppedHeader(fields: readonly string[]): Record<string, string> {
  if (fields.length === 0) return {};
  const listed = [...new Set(fields)].slice(0, maxListed);
  return { 'x-llamaduct-dropped': listed.map((field) => (/^[\w.-]{1,64}$/.test(field) ? field : 'other')).join(', ') };
}
