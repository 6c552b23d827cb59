import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { parseArgs } from 'node:util';

// Runs every attack, one after the other, and prints a line with its figures for each: `npm run test:attacks`.

/** Milliseconds for all attacks together. */
const longest = 300_000;

const { values: options } = parseArgs({ options: { only: { type: 'string', default: '' } } });

let passed = 0;
let failed = 0;
/** Figures of the test that has just ended: they are reported after its result. */
let last = '';

const deadline = AbortSignal.timeout(longest);
const events = run({
  files: globSync(join(import.meta.dirname, '*.test.ts')).toSorted(),
  concurrency: false,
  timeout: longest,
  testNamePatterns: [new RegExp(options.only, 'i')],
  signal: deadline,
});
for await (const { type, data } of events) {
  if (type === 'test:diagnostic' && last !== '') {
    console.log(`${last}: ${data.message}`);
    last = '';
  }
  // A file without a matching test passes under its own name.
  if (type === 'test:pass' && !data.name.endsWith('.test.ts')) {
    passed += 1;
    last = `ok   ${data.name}`;
  }
  if (type === 'test:fail') {
    failed += 1;
    const { cause, message } = data.details.error;
    const hasFigures = cause instanceof Error && 'code' in cause && cause.code === 'ERR_ASSERTION';
    if (hasFigures) last = `FAIL ${data.name}`;
    else console.log(`FAIL ${data.name}: ${cause instanceof Error ? cause.message : message}`);
  }
}
if (deadline.aborted) console.log(`FAIL not all attacks were over after ${longest / 1000} s`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 && !deadline.aborted ? 0 : 1;
