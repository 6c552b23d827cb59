import { invalidValue } from '../../errors.ts';
import type { Metrics } from '../../telemetry/metrics.ts';

/** @throws {GatewayError} 400 for the first field that would change nothing */
export function rejectDroppedFields([field]: readonly string[]): void {
  if (field !== undefined) throw invalidValue(field, `${field} would change nothing, and this server is strict.`);
}

const maxNamed = 20;

/** Names what requests held that changed nothing. */
export class DroppedFieldReporter {
  readonly #metrics: Metrics;
  readonly #known: ReadonlySet<string>;

  /** @param known fields that have a series of their own; a client can send any other, so all others share one */
  constructor(metrics: Metrics, known: Iterable<string>) {
    this.#metrics = metrics;
    this.#known = new Set(known);
  }

  /** Counts the fields of one request. @returns the header of its answer that names them, if there are any */
  headers(fields: readonly string[]): Record<string, string> {
    for (const field of new Set(fields)) this.#metrics.lossy.inc({ field: this.#known.has(field) ? field : 'other' });
    return droppedHeader(fields);
  }
}

/** The header that names fields, if there are any. */
export function droppedHeader(fields: readonly string[]): Record<string, string> {
  if (fields.length === 0) return {};
  const named = [...new Set(fields)].slice(0, maxNamed);
  return { 'x-llamaduct-dropped': named.map((field) => (/^[\w.-]{1,64}$/.test(field) ? field : 'other')).join(', ') };
}
