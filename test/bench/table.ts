import type { Contender } from './contenders.ts';
import type { Middle } from './statistics.ts';
import { type Summary, type To, fewestStreams } from './summary.ts';
import type { Workload } from './workloads.ts';

/** @returns a median and its spread, divided by `unit` */
function cell(value: Middle | undefined, digits: number, unit = 1): string {
  if (value === undefined) return '';
  const [median, least, most] = [value.median, value.least, value.most].map((of) => (of / unit).toFixed(digits));
  return least === most ? `${median}` : `${median} (${least}–${most})`;
}

/** @returns both medians in milliseconds */
function delays({ p50, p99 }: { p50?: Middle | undefined; p99?: Middle | undefined }, sign = ''): string {
  if (p50 === undefined || p99 === undefined) return '';
  return [p50, p99].map(({ median }) => `${median < 0 ? '' : sign}${(median / 1_000).toFixed(2)}`).join(' / ');
}

type Column = readonly [head: string, cell: (summary: Summary) => string];

function columnsOf({ unit, clients, streamed, model }: Workload, others: readonly (keyof To)[]): readonly Column[] {
  const columns: (Column | false)[] = [
    [`CPU, µs per ${unit}`, ({ cpu }) => cell(cpu, unit === 'token' ? 1 : 0)],
    ...others.map((name): Column => [`× ${name}`, ({ cpuTo }) => cell(cpuTo[name], 2)]),
    [`${streamed ? 'first token' : 'response'} p50 / p99, ms`, ({ first }) => delays(first)],
    ['over no proxy', ({ firstOver }) => delays(firstOver.none, '+')],
    ['over raw', ({ firstOver }) => delays(firstOver.raw, '+')],
    // Without pauses between writes a gap means only that something waited.
    !/-i0\b/.test(model) && ['gap p50 / p99 over no proxy, ms', ({ gapOver }) => delays(gapOver, '+')],
    model.includes('-t1') && ['transit of a token over no proxy, ms', ({ transitOver }) => delays(transitOver, '+')],
    ['memory, MB', ({ memory }) => cell(memory, 0, 1e6)],
  ];
  if (clients >= fewestStreams) {
    columns.push(['KB per stream', ({ memoryPerStream }) => cell(memoryPerStream, 0, 1e3)]);
    columns.push(...others.map((name): Column => [`× ${name}`, ({ memoryTo }) => cell(memoryTo[name], 2)]));
  }
  return columns.filter((column) => column !== false);
}

/** @returns a Markdown table of one workload, with a row for each contender */
export function toTable(workload: Workload, contenders: readonly Contender[], summaries: readonly Summary[]): string {
  const others = (['raw', 'nginx', 'base'] as const).filter((name) =>
    contenders.some((contender) => contender.name === name),
  );
  const columns = columnsOf(workload, others);
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [
    `### ${workload.name}: ${workload.title}\n`,
    row(['', ...columns.map(([head]) => head)]),
    row(['---', ...columns.map(() => '---:')]),
  ];
  const limited: string[] = [];
  for (const { name, title } of contenders) {
    const summary = summaries.find((each) => each.workload === workload.name && each.contender === name);
    if (summary === undefined) continue;
    const isEmpty = (head: string): boolean =>
      head === `× ${name}` ||
      head === `over ${name}` ||
      (head === '× base' && name !== 'llamaduct') ||
      (head.includes('over') && name === 'none');
    lines.push(row([title, ...columns.map(([head, of]) => (isEmpty(head) ? '' : of(summary)))]));
    if (summary.limitedByHelpers) limited.push(title);
  }
  if (limited.length > 0) {
    lines.push(`\nLimited by the load generator and the upstream, not by the proxy: ${limited.join(', ')}.`);
  }
  return `${lines.join('\n')}\n`;
}
