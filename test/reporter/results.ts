import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';

/** A test, hook or file that failed. */
export interface Failure {
  /** Path and line of the test; the path alone for the whole file. */
  readonly place: string;
  /** The names of the suites around the test, then its own; empty for the whole file. */
  readonly names: readonly string[];
  /** The value that was thrown, or a sentence. */
  readonly error: unknown;
}

type EventOf<Type extends TestEvent['type']> = Extract<TestEvent, { type: Type }>;

/** The events of one file, which come in the order in which its tests are written. */
export type FileEvent = EventOf<
  'test:start' | 'test:pass' | 'test:fail' | 'test:stdout' | 'test:stderr' | 'test:diagnostic' | 'test:summary'
>;

type TestResult = EventData.TestPass | EventData.TestFail;

/** The results of one test file. */
export class FileResults {
  /** Relative to the working directory. */
  readonly path: string;
  /** Tests without subtests that passed. Suites, and tests that only group others, are not counted. */
  passed = 0;
  readonly failures: Failure[] = [];
  /** Tests that did not run: file, names and reason. */
  readonly skipped: string[] = [];
  /** Messages of `t.diagnostic`, and Node's about errors outside of all tests. */
  readonly notes: string[] = [];
  /** Standard output and standard error. */
  output = '';
  durationMs = 0;
  /** True while the process of the file runs; undefined when the file has no process of its own. */
  running: boolean | undefined;
  #reportedAll = false;
  #finished = false;
  readonly #names: string[] = [];
  /** By depth, the number of tests since the last test that is less deep: these are its subtests. */
  readonly #siblings: number[] = [];

  constructor(path: string) {
    this.path = path;
  }

  add({ type, data }: FileEvent): void {
    switch (type) {
      case 'test:start':
        this.#names[data.nesting] = data.name;
        return;
      case 'test:pass':
        return this.#pass(data);
      case 'test:fail':
        return this.#fail(data);
      case 'test:diagnostic':
        this.notes.push(data.message);
        return;
      case 'test:summary':
        this.#reportedAll = true;
        return;
      default:
        this.output += data.message;
    }
  }

  /** Adds a failure of the file as a whole. */
  failWhole(reason: string): void {
    this.failures.push({ place: this.path, names: [], error: reason });
  }

  /** Adds the failure that is only known when the file is over, once; `unfinished` is the reason why the file still runs. */
  finish(unfinished: string | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.running === true) this.failWhole(unfinished ?? 'The file still ran when the run was over.');
    else if (this.running === false && !this.#reportedAll && this.failures.length === 0) {
      this.failWhole('The process ended before it had reported its tests, or has none.');
    }
  }

  #pass(test: EventData.TestPass): void {
    const { names, isLeaf } = this.#leave(test);
    if (!isLeaf) return;
    if (test.skip !== undefined || test.todo !== undefined) this.#skip(names, test);
    else if (test.details.type !== 'suite') this.passed += 1;
  }

  #fail(test: EventData.TestFail): void {
    const { names } = this.#leave(test);
    const { error } = test.details;
    if (test.todo !== undefined) this.#skip(names, test);
    else if (!('failureType' in error && error.failureType === 'subtestsFailed')) {
      // Node wraps the value that the test threw in an error with a useless stack.
      this.failures.push({ place: `${this.path}:${test.line}`, names, error: error.cause ?? error.message });
    }
  }

  #leave({ name, nesting }: TestResult): { readonly names: readonly string[]; readonly isLeaf: boolean } {
    const isLeaf = (this.#siblings[nesting + 1] ?? 0) === 0;
    this.#siblings[nesting + 1] = 0;
    this.#siblings[nesting] = (this.#siblings[nesting] ?? 0) + 1;
    return { names: [...this.#names.slice(0, nesting), name], isLeaf };
  }

  #skip(names: readonly string[], { skip, todo }: TestResult): void {
    const [reason = 'no reason given'] = [skip, todo].filter((given) => typeof given === 'string' && given !== '');
    this.skipped.push(`${this.path} > ${names.join(' > ')} (${reason})`);
  }
}
