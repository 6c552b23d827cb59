import type { Check } from './check.ts';
import type { Outcome } from './run.ts';

/** The results of one check for both targets. */
export interface Row extends Pick<Check, 'number' | 'title' | 'beyond'> {
  readonly ollama: Outcome;
  readonly llamaduct: Outcome;
}

const marks = { passed: '✅', failed: '❌', 'not run': '–' };

/** @returns the rows as a Markdown table, followed by the reasons of failures */
export function toMarkdown(rows: readonly Row[], version: string): string {
  const lines = rows.map(
    ({ number, title, beyond, ollama, llamaduct }) =>
      `| ${number} | ${title}${beyond === true ? ' ¹' : ''} | ${marks[ollama.result]} | ${marks[llamaduct.result]} |`,
  );
  const passed = (target: 'ollama' | 'llamaduct'): number =>
    rows.filter((row) => row[target].result === 'passed').length;
  return [
    `| # | Check | Ollama ${version} /v1 | llamaduct |`,
    '| ---: | --- | :---: | :---: |',
    ...lines,
    `| | **of ${rows.length}** | **${passed('ollama')}** | **${passed('llamaduct')}** |`,
    '',
    `¹ Not part of the OpenAI API (${rows.filter(({ beyond }) => beyond).length} of the ${rows.length} checks).`,
    '',
    ...reasons(rows, 'llamaduct', 'llamaduct'),
    ...reasons(rows, 'ollama', `Ollama ${version} /v1`),
  ].join('\n');
}

function reasons(rows: readonly Row[], target: 'ollama' | 'llamaduct', name: string): string[] {
  const lines = rows.flatMap(({ number, title, [target]: outcome }) =>
    outcome.result === 'passed' ? [] : [`- ${number}, ${title}: ${outcome.result}: ${outcome.reason}`],
  );
  return lines.length === 0 ? [] : [`Not passed by ${name}:`, '', ...lines, ''];
}
