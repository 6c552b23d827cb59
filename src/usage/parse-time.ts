const day = 24 * 3_600_000;
/** Milliseconds. */
const unitLengths: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: day, w: 7 * day };

/** The formats that `parseTime` accepts, for error messages. */
export const timeFormatHint = 'expected a duration before now such as 7d or 24h, or a date such as 2027-01-31';

/**
 * Parses a duration before now (`7d`, `24h`), a date (its midnight in UTC), or a time with its zone.
 *
 * @param now milliseconds since the epoch
 * @returns milliseconds since the epoch; undefined for any other text, and for times before the epoch
 */
export function parseTime(text: string, now: number): number | undefined {
  const [, amount = '', unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text) ?? [];
  const unitLength = unitLengths[unit];
  if (unitLength !== undefined) return Math.max(0, now - Number(amount) * unitLength);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  // Date.parse reads February 31 as a day in March.
  const date = new Date(text.slice(0, 10));
  const time = Date.parse(text);
  const exists = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, 10));
  return !exists || Number.isNaN(time) || time < 0 ? undefined : time;
}
