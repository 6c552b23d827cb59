const day = 24 * 3_600_000;
const milliseconds: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: day, w: 7 * day };

/** What `readMoment` takes, for messages. */
export const timeFormatHint = 'expected a time ago such as 7d or 24h, or a date such as 2027-01-31';

/**
 * A time as people write it: how long ago (`7d`, `24h`), a date (as it begins in UTC), or a time with its zone.
 *
 * @returns milliseconds since the epoch; undefined for what is none of these
 */
export function parseTime(text: string, now: number): number | undefined {
  const [, amount = '', unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text) ?? [];
  const size = milliseconds[unit];
  if (size !== undefined) return Math.max(0, now - Number(amount) * size);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return undefined;
  // Date.parse takes the 31st of February for a day in March.
  const date = new Date(text.slice(0, 10));
  const time = Date.parse(text);
  const real = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text.slice(0, 10));
  return !real || Number.isNaN(time) || time < 0 ? undefined : time;
}
