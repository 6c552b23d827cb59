import { readFileSync, readdirSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative, sep } from 'node:path';
import type { EventData } from 'node:test';

type Summary = EventData.TestCoverage['summary'];

interface Gate {
  readonly folder: string;
  /** Percent of the lines. */
  readonly lines: number;
  /** Percent of the branches. */
  readonly branches: number;
}

/** The last one whose folder holds a file is the one for that file. */
const gates: readonly Gate[] = [
  { folder: 'src/', lines: 95, branches: 90 },
  { folder: 'src/chat/', lines: 100, branches: 90 },
  { folder: 'src/framing/', lines: 100, branches: 90 },
];

/** More files than this are not listed. */
const listedFiles = 20;

/** What ran of a file, or of all files of a folder. */
interface Coverage {
  readonly path: string;
  readonly lines: number;
  /** The numbers of the lines that did not run. */
  readonly missed: readonly number[];
  readonly branches: number;
  /** The lines in which the branches that did not run begin. */
  readonly missedBranches: readonly number[];
}

export interface CoverageReport {
  readonly text: string;
  /** True when every folder has the coverage that is required of it. */
  readonly passed: boolean;
}

/**
 * Compares the coverage with what is required, which Node can do for all files together only.
 * A file that no test loads counts too, as not covered.
 */
export function reportCoverage({
  files,
  workingDirectory,
}: Pick<Summary, 'files' | 'workingDirectory'>): CoverageReport {
  const loaded = files.map((file) => coverageOf(relative(workingDirectory, file.path).replaceAll(sep, '/'), file));
  const all = [...loaded, ...neverLoaded(workingDirectory, new Set(loaded.map(({ path }) => path)))];
  const folders = gates.map((gate) => ({ gate, coverage: total(gate.folder, all) }));
  const below = all.filter(
    (file) =>
      !meets(
        file,
        gates.findLast(({ folder }) => file.path.startsWith(folder)),
      ),
  );
  const lines = [
    row('', 'lines', 'branches', 'required'),
    ...folders.map(({ gate, coverage }) => coverageRow(coverage, `${gate.lines} % and ${gate.branches} %`)),
    ...below
      .toSorted((one, other) => linePercent(one) - linePercent(other))
      .slice(0, listedFiles)
      .map((file) => coverageRow(file, missing(file))),
    ...(below.length > listedFiles ? [`... and ${below.length - listedFiles} more files`] : []),
  ];
  const failed = folders.filter(({ gate, coverage }) => !meets(coverage, gate)).map(({ gate }) => gate.folder);
  if (failed.length > 0) lines.push(`FAILED coverage of ${failed.join(', ')}`);
  return { text: `\n${lines.map((line) => `${line.trimEnd()}\n`).join('')}`, passed: failed.length === 0 };
}

function coverageOf(path: string, { path: file, lines, branches }: Summary['files'][number]): Coverage {
  const notRun = lines.filter(({ count }) => count === 0).map(({ line }) => line);
  const text = notRun.length === 0 ? [] : readFileSync(file, 'utf8').split('\n');
  return {
    path,
    lines: lines.length,
    // Such a line is there for the compiler, which proves that it never runs.
    missed: notRun.filter((line) => text[line - 1]?.includes('satisfies never') !== true),
    branches: branches.length,
    missedBranches: branches.filter(({ count }) => count === 0).map(({ line }) => line),
  };
}

/** The files of `src` that no test loads, without those that only hold types. */
function neverLoaded(root: string, loaded: ReadonlySet<string>): Coverage[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((name) => `src/${name.replaceAll(sep, '/')}`)
    .filter((path) => /\.[jt]s$/.test(path) && !loaded.has(path))
    .flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const code = stripTypeScriptTypes(text).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '');
      if (code.trim() === '') return [];
      const lines = text.trimEnd().split('\n').length;
      return [
        {
          path,
          lines,
          missed: Array.from({ length: lines }, (_, index) => index + 1),
          branches: 1,
          missedBranches: [1],
        },
      ];
    });
}

function total(folder: string, files: readonly Coverage[]): Coverage {
  return files
    .filter(({ path }) => path.startsWith(folder))
    .reduce(
      (sum, file) => ({
        path: folder,
        lines: sum.lines + file.lines,
        missed: [...sum.missed, ...file.missed],
        branches: sum.branches + file.branches,
        missedBranches: [...sum.missedBranches, ...file.missedBranches],
      }),
      { path: folder, lines: 0, missed: [], branches: 0, missedBranches: [] },
    );
}

function meets(coverage: Coverage, gate: Gate | undefined): boolean {
  return gate === undefined || (linePercent(coverage) >= gate.lines && branchPercent(coverage) >= gate.branches);
}

function linePercent({ lines, missed }: Coverage): number {
  return percent(lines - missed.length, lines);
}

function branchPercent({ branches, missedBranches }: Coverage): number {
  return percent(branches - missedBranches.length, branches);
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : (100 * part) / whole;
}

function coverageRow(coverage: Coverage, remark: string): string {
  return row(coverage.path, twoDigits(linePercent(coverage)), twoDigits(branchPercent(coverage)), remark);
}

/** Rounded down, so that 100 means all of them. */
function twoDigits(value: number): string {
  return (Math.floor(value * 100) / 100).toFixed(2);
}

function row(path: string, lines: string, branches: string, remark: string): string {
  return `${path.padEnd(56)} ${lines.padStart(8)} ${branches.padStart(8)}  ${remark}`;
}

function missing({ missed, missedBranches }: Coverage): string {
  const text = missed.length > 0 ? `lines ${ranges(missed)}` : `branches at ${ranges([...new Set(missedBranches)])}`;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** `[1, 2, 3, 7]` as "1-3, 7". */
function ranges(lines: readonly number[]): string {
  const first = lines.filter((line, index) => lines[index - 1] !== line - 1);
  const last = lines.filter((line, index) => lines[index + 1] !== line + 1);
  return first.map((line, index) => (line === last[index] ? `${line}` : `${line}-${last[index]}`)).join(', ');
}
