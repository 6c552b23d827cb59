import { relative, resolve, sep } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { type CoverageReport, reportCoverage } from './coverage.ts';
import { counts, failureDetails, failureLine, groupLines } from './format.ts';
import { type FileEvent, FileResults } from './results.ts';

interface Location {
  /** The file in which the test is written, which may be a helper. */
  readonly file?: string | undefined;
  /** The file that runs; missing for the file itself. */
  readonly entryFile?: string | undefined;
}

/** One run of `node --test` as text: a line per folder, the skipped tests, the failures in full, the counts. */
export class Report {
  readonly #cwd: string;
  readonly #files = new Map<string, FileResults>();
  readonly #startedAt = performance.now();
  #group: string | undefined;
  #coverage: CoverageReport | undefined;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  /** True when no test failed and the coverage is as required. */
  get passed(): boolean {
    return this.#coverage?.passed !== false && this.#all().every(({ failures }) => failures.length === 0);
  }

  /** @returns the lines that are complete by now */
  add(event: TestEvent): string {
    switch (event.type) {
      case 'test:dequeue':
        if (this.#isFile(event.data)) this.#fileOf(event.data).running = true;
        return '';
      case 'test:complete':
        // A file is complete ahead of its turn in the report.
        if (this.#isFile(event.data)) {
          Object.assign(this.#fileOf(event.data), { running: false, durationMs: event.data.details.duration_ms });
        }
        return '';
      case 'test:coverage':
        this.#coverage = reportCoverage(event.data.summary);
        return '';
      case 'test:start':
      case 'test:pass':
      case 'test:fail':
      case 'test:stdout':
      case 'test:stderr':
      case 'test:diagnostic':
      case 'test:summary':
        return this.#addToFile(event);
      default:
        return '';
    }
  }

  /**
   * The rest of the report.
   * @param unfinished the reason why files still run, when the run ends before they do
   */
  end(unfinished?: string): string {
    const files = this.#all();
    const lastGroup = this.#endGroup(unfinished);
    for (const file of files) file.finish(unfinished);
    const skipped = files.flatMap((file) => file.skipped);
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    return [
      lastGroup,
      ...(skipped.length === 0 ? [] : ['\nskipped:\n', ...skipped.map((test) => `  ${test}\n`)]),
      ...files.map(failureDetails),
      this.#coverage?.text ?? '',
      `\n${files.length} files in ${seconds} s\n${counts(files)}\n`,
    ].join('');
  }

  #addToFile(event: FileEvent): string {
    // The counts of the whole run have no file.
    if (event.data.file === undefined) return '';
    const file = this.#fileOf(event.data);
    const text = this.#enterGroup(file);
    const failed = file.failures.length;
    if (!('name' in event.data) || !this.#isFile(event.data)) file.add(event);
    else if (event.type === 'test:fail') file.failWhole(exitText(event.data.details.error));
    return text + file.failures.slice(failed).map(failureLine).join('');
  }

  /** Node reports each file as a test whose name is the path, but not when the tests in it say all. */
  #isFile({ name, file, entryFile }: Location & { readonly name: string }): boolean {
    return entryFile === undefined && file !== undefined && resolve(this.#cwd, name) === file;
  }

  #fileOf({ entryFile, file = '' }: Location): FileResults {
    const path = relative(this.#cwd, resolve(this.#cwd, entryFile ?? file));
    let results = this.#files.get(path);
    if (results === undefined) this.#files.set(path, (results = new FileResults(path)));
    return results;
  }

  #all(): FileResults[] {
    return [...this.#files.values()];
  }

  #enterGroup(file: FileResults): string {
    const group = groupOf(file);
    if (group === this.#group) return '';
    const text = this.#endGroup();
    this.#group = group;
    return text;
  }

  #endGroup(unfinished?: string): string {
    const group = this.#group;
    if (group === undefined) return '';
    const files = this.#all().filter((file) => groupOf(file) === group);
    for (const file of files) file.finish(unfinished);
    return groupLines(group, files);
  }
}

/** The folder below `test/`, or the file itself where there is none. */
function groupOf({ path }: FileResults): string {
  return path.split(sep).slice(0, 2).join('/');
}

function exitText(error: Error): string {
  const { exitCode, signal } = error as { exitCode?: number | null; signal?: string | null };
  if (exitCode === undefined) return error.message;
  return `The process of the file ended with ${signal == null ? `exit code ${exitCode}` : `signal ${signal}`}.`;
}
