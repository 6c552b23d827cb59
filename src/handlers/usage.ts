import { GatewayError, invalidValue } from '../errors.ts';
import type { Limiter } from '../limits/limiter.ts';
import { limitState } from '../status/limits.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import { timeFormatHint, parseTime } from '../usage/parse-time.ts';
import { type Grouping, type UsageQuery, type UsageReport, groupings, hourAfter, hourOf } from '../usage/report.ts';
import { type Handler, sendJson } from '../http/respond.ts';

/** Milliseconds for which a report is cached. */
const freshness = 2_000;

/** Maximum number of cached reports, of up to a thousand lines each. */
const maxRecent = 64;

const parameters = ['by', 'since', 'until', 'all'];

/**
 * Reports the usage of the request's own key; with `all=true` and the admin scope, of every key.
 *
 * `by` groups the lines (default: model; key with `all`). `since` (default: 30d) and `until` (default: now) are dates or times
 * ago; the answer shows them rounded to whole hours, as they count. `limits` shows what is left of the limits of the key and
 * its group.
 */
export function usageHandler(ledger: Pick<UsageLedger, 'report'>, limiter: Pick<Limiter, 'state'>): Handler {
  const report = cached((query) => ledger.report(query));
  return async (c) => {
    const { key } = c.get('exchange');
    const now = Date.now();
    const { all, by, since, until } = readQuery(new URL(c.req.url).searchParams, now);
    if (all && key?.scopes.includes('admin') !== true) {
      throw new GatewayError('insufficient_scope', 'all=true needs a key with the admin scope.', { param: 'all' });
    }
    const { lines, more } = report({ by, since, until, ...(!all && { key: key?.name ?? '' }) });
    const limits = await limiter.state(key?.limitSubjects ?? []);
    return sendJson(c, 200, {
      object: 'list',
      by,
      since: hourOf(since) / 1000,
      until: Math.floor(Math.min(hourAfter(until), now) / 1000),
      data: lines.map((line) => ({ object: 'usage', ...line })),
      has_more: more,
      limits: limits.map(limitState),
    });
  };
}

/** Caches reports. A report blocks the event loop, so a burst of the same query must cost only one. */
function cached(read: (query: UsageQuery) => UsageReport): (query: UsageQuery) => UsageReport {
  const recent = new Map<string, { readonly report: UsageReport; readonly until: number }>();
  return (query) => {
    const { by, since, until, key } = query;
    const id = JSON.stringify([by, hourOf(since), until === undefined ? null : hourAfter(until), key]);
    const now = performance.now();
    const known = recent.get(id);
    if (known !== undefined && now < known.until) return known.report;
    const report = read(query);
    recent.delete(id);
    recent.set(id, { report, until: performance.now() + freshness });
    for (const [oldest, { until: end }] of recent) {
      if (recent.size <= maxRecent && now < end) break;
      recent.delete(oldest);
    }
    return report;
  };
}

type UsageParameters = Required<Pick<UsageQuery, 'by' | 'since' | 'until'>> & { readonly all: boolean };

/** @throws {GatewayError} 400 with `param` */
function readQuery(query: URLSearchParams, now: number): UsageParameters {
  for (const name of query.keys()) {
    if (!parameters.includes(name)) {
      throw invalidValue(name.slice(0, 64), `Unknown query parameter; the parameters are ${parameters.join(', ')}.`);
    }
  }
  const allText = query.get('all') ?? 'false';
  if (allText !== 'true' && allText !== 'false') throw invalidValue('all', 'all must be true or false.');
  const all = allText === 'true';
  const by = query.get('by') ?? (all ? 'key' : 'model');
  if (!isGrouping(by)) throw invalidValue('by', `by must be one of ${groupings.join(', ')}.`);
  const since = readTime(query, 'since', now) ?? now - 30 * 24 * 3_600_000;
  const until = readTime(query, 'until', now) ?? now;
  if (since > until) throw invalidValue('since', 'since must not be later than until.');
  return { all, by, since, until };
}

function readTime(query: URLSearchParams, name: string, now: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const time = parseTime(text, now);
  if (time === undefined) throw invalidValue(name, `${name}: ${timeFormatHint}.`);
  return time;
}

function isGrouping(text: string): text is Grouping {
  return groupings.some((grouping) => grouping === text);
}
