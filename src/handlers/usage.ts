import { GatewayError, invalidValue } from '../errors.ts';
import type { UsageLedger } from '../usage/ledger.ts';
import { timeFormatHint, parseTime } from '../usage/parse-time.ts';
import { type Grouping, type UsageQuery, type UsageReport, groupings, hourAfter, hourOf } from '../usage/report.ts';
import { type Handler, sendJson } from '../http/respond.ts';

/** Milliseconds that a report is good for. */
const freshness = 2_000;

/** Reports remembered: up to a thousand lines each. */
const maxRecent = 64;

const parameters = ['by', 'since', 'until', 'all'];

/**
 * Shows what the key of a request has used; with `all=true` and the admin scope, what every key has.
 *
 * `by` (model; key with `all`) says what a line is, `since` (30d) and `until` (now) are times ago or dates, and stand in
 * the answer as they count: as whole hours.
 */
export function usageHandler(ledger: Pick<UsageLedger, 'report'>): Handler {
  const report = remembering((query) => ledger.report(query));
  return (c) => {
    const { key } = c.get('exchange');
    const now = Date.now();
    const { all, by, since, until } = readQuery(new URL(c.req.url).searchParams, now);
    if (all && key?.scopes.includes('admin') !== true) {
      throw new GatewayError('insufficient_scope', 'all=true needs a key with the admin scope.', { param: 'all' });
    }
    const { lines, more } = report({ by, since, until, ...(!all && { key: key?.name ?? '' }) });
    return sendJson(c, 200, {
      object: 'list',
      by,
      since: hourOf(since) / 1000,
      until: Math.floor(Math.min(hourAfter(until), now) / 1000),
      data: lines.map((line) => ({ object: 'usage', ...line })),
      has_more: more,
    });
  };
}

/** A report stops everything else for as long as it takes: a burst of the same question costs one. */
function remembering(report: (query: UsageQuery) => UsageReport): (query: UsageQuery) => UsageReport {
  const recent = new Map<string, { readonly found: UsageReport; readonly until: number }>();
  return (query) => {
    const { by, since, until, key } = query;
    const id = JSON.stringify([by, hourOf(since), until === undefined ? null : hourAfter(until), key]);
    const now = performance.now();
    const known = recent.get(id);
    if (known !== undefined && now < known.until) return known.found;
    const found = report(query);
    recent.delete(id);
    recent.set(id, { found, until: performance.now() + freshness });
    for (const [oldest, { until: end }] of recent) {
      if (recent.size <= maxRecent && now < end) break;
      recent.delete(oldest);
    }
    return found;
  };
}

type Asked = Required<Pick<UsageQuery, 'by' | 'since' | 'until'>> & { readonly all: boolean };

/** @throws {GatewayError} 400 with `param` */
function readQuery(query: URLSearchParams, now: number): Asked {
  for (const name of query.keys()) {
    if (!parameters.includes(name)) {
      throw invalidValue(name.slice(0, 64), `There is no such query parameter here, only ${parameters.join(', ')}.`);
    }
  }
  const whose = query.get('all') ?? 'false';
  if (whose !== 'true' && whose !== 'false') throw invalidValue('all', 'all must be true or false.');
  const all = whose === 'true';
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
