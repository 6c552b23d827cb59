import { inspect, stripVTControlCharacters } from 'node:util';
import type { Failure, FileResults } from './results.ts';

type Files = readonly FileResults[];

/** A line for a folder of test files, or for a file beside the folders, and what its tests noted. */
export function groupLines(name: string, files: Files): string {
  const seconds = (sum(files, ({ durationMs }) => durationMs) / 1000).toFixed(1);
  const line = `${name.padEnd(28)} ${counts(files).padEnd(36)} ${seconds.padStart(6)} s\n`;
  const notes = files.flatMap((file) => (file.failures.length === 0 ? file.notes : []));
  return [line, ...notes.map((note) => `  ${note}\n`)].join('');
}

/** "N passed, N failed", and the number of skipped tests if there are any. */
export function counts(files: Files): string {
  const skipped = sum(files, (file) => file.skipped.length);
  const failed = sum(files, ({ failures }) => failures.length);
  return `${sum(files, ({ passed }) => passed)} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}

function sum(files: Files, number: (file: FileResults) => number): number {
  return files.reduce((total, file) => total + number(file), 0);
}

/** Every failure of a file with its error, then everything that the file printed; empty when nothing failed. */
export function failureDetails({ path, failures, notes, output }: FileResults): string {
  if (failures.length === 0) return '';
  const details = failures.map((failure) => `\n${failureLine(failure)}${indent(errorText(failure.error))}`);
  const printed = [...notes, stripVTControlCharacters(output)].join('\n').trim();
  return details.join('') + (printed === '' ? '' : `\nprinted by ${path}:\n${indent(printed)}`);
}

/** The place of a failure in one line: file, suites and test. */
export function failureLine({ place, names }: Failure): string {
  return `FAILED ${[place, ...names].join(' > ')}\n`;
}

/** Stack frames of the test runner itself. */
const runnerFrames = /^ +at .*node:(?:internal\/(?:test_runner|per_context)|async_hooks)\b.*\n?/gm;

function errorText(error: unknown): string {
  if (typeof error === 'string') return error;
  if (error instanceof Error && 'generatedMessage' in error) dropRepeated(error, error.generatedMessage === true);
  return inspect(error, { depth: 6, breakLength: 120 }).replace(runnerFrames, '').trimEnd();
}

/** Drops the properties of an assertion that only repeat its message. */
function dropRepeated(error: Error, hasDiff: boolean): void {
  const names = ['generatedMessage', 'code', 'operator', 'diff', ...(hasDiff ? ['actual', 'expected'] : [])];
  for (const name of names) Reflect.deleteProperty(error, name);
}

function indent(text: string): string {
  return `${text.replace(/^(?=.)/gm, '  ')}\n`;
}
