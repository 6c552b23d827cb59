import { readFileSync, writeFileSync } from 'node:fs';
import { type Agent, type Column, columns } from './agent.ts';
import { recipesFile } from './recipes.ts';

/** By column: true if it passed, false if not, undefined if the agent cannot do it. */
export type Row = ReadonlyMap<Column, boolean | undefined>;

/** The table of docs/agents.md, with its notes. */
export function tableOf(rows: readonly { agent: Agent; row: Row }[], date: string): string {
  const notes: string[] = [];
  const noteFor = (note: string | undefined): string => {
    if (note === undefined) return '';
    if (!notes.includes(note)) notes.push(note);
    return ` <sup>${notes.indexOf(note) + 1}</sup>`;
  };
  const cell = (agent: Agent, row: Row, column: Column): string => {
    const passed = row.get(column);
    if (passed !== undefined) return passed ? '✅' : '❌';
    return `-${noteFor(agent.cannot?.[column])}`;
  };
  const lines = rows.map(({ agent, row }) => {
    const cells = columns.map((column) => cell(agent, row, column));
    return `| ${[`${agent.name}${noteFor(agent.note)}`, agent.package.version, ...cells].join(' | ')} |`;
  });
  const table = [
    `| ${['agent', 'version', ...columns].join(' | ')} |`,
    `|${' --- |'.repeat(columns.length + 2)}`,
    ...lines,
  ];
  const numbered = notes.map((note, index) => `${index + 1}. ${note}`);
  return [`Run on ${date}.`, '', ...table, '', ...numbered].join('\n').trim();
}

const [start, end] = ['<!-- begin: written by npm run agents -- --write -->', '<!-- end -->'];

/** Writes the table into docs/agents.md, between its marks. */
export function writeTable(table: string): void {
  const text = readFileSync(recipesFile, 'utf8');
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/agents.md has no ${start} and ${end}`);
  writeFileSync(recipesFile, `${text.slice(0, from + start.length)}\n${table}\n${text.slice(to)}`);
}
