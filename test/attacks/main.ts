import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';

// Runs every attack, one after the other, and prints a line with its figures for each: `npm run test:attacks`. With `--table`, it
// prints the tables of SECURITY.md; with `--only REGEX`, only the attacks whose name matches are run.

/** Milliseconds for all attacks together. */
const longest = 300_000;

/** Headings of the tables, by file. */
const headings: Readonly<Record<string, string>> = {
  bodies: 'One expensive request',
  charges: 'Requests that nobody pays for',
  floods: 'Many requests or connections',
  open: 'Web pages, with `access: open`',
  policy: 'Models, rules and settings of a key',
  stored: 'Stored responses',
  upstream: 'Broken or hostile upstreams',
};

const { values: options } = parseArgs({
  options: { only: { type: 'string', default: '' }, table: { type: 'boolean', default: false } },
});

/** Attacks without a row in the tables of SECURITY.md. */
const unlisted: string[] = [];
const security = readFileSync(join(import.meta.dirname, '../../SECURITY.md'), 'utf8');

let passed = 0;
let failed = 0;
const deadline = AbortSignal.timeout(longest);

interface Result {
  readonly name: string;
  readonly held: boolean;
}

function print({ name, held }: Result, figures: string): void {
  if (options.table) {
    console.log(`| ${name} | ${held ? '' : '**Not held:** '}${figures.trim().replaceAll('|', '\\|')} |`);
    return;
  }
  if (!security.includes(`| ${name} |`)) unlisted.push(name);
  console.log(`${held ? 'ok  ' : 'FAIL'} ${name}: ${figures}`);
}

async function attackWith(file: string): Promise<void> {
  if (options.table)
    console.log(`\n### ${headings[basename(file, '.test.ts')]}\n\n| attack | measured |\n| --- | --- |`);
  /** The test that has just ended: its figures are reported after its result. */
  let last: Result | undefined;
  const testNamePatterns = [new RegExp(options.only, 'i')];
  const events = run({ files: [file], concurrency: false, timeout: longest, testNamePatterns, signal: deadline });
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic' && last !== undefined) {
      print(last, data.message);
      last = undefined;
    }
    // A file without a matching test passes under its own name.
    if (type === 'test:pass' && !data.name.endsWith('.test.ts')) {
      passed += 1;
      last = { name: data.name, held: true };
    }
    if (type === 'test:fail') {
      failed += 1;
      const { cause, message } = data.details.error;
      const result = { name: data.name, held: false };
      if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_ASSERTION') last = result;
      else print(result, cause instanceof Error ? cause.message : message);
    }
  }
}

for (const file of globSync(join(import.meta.dirname, '*.test.ts')).toSorted()) {
  if (!deadline.aborted) await attackWith(file);
}
if (deadline.aborted) console.log(`FAIL not all attacks were over after ${longest / 1000} s`);
for (const name of unlisted) console.log(`FAIL SECURITY.md does not list: ${name}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed + unlisted.length === 0 && passed > 0 && !deadline.aborted ? 0 : 1;
