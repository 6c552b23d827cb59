import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { runTests } from './run.ts';

const imports = `
  import assert from 'node:assert/strict';
  import { before, suite, test } from 'node:test';
`;

suite('the test reporter', { concurrency: true }, () => {
  test('prints a line per folder and counts the tests in suites and in other tests when all pass', async () => {
    const { code, lines } = await runTests({
      'test/one/a.test.ts': `${imports}
        suite('outer', () => {
          test('first', () => console.log('not shown'));
          suite('inner', () => test('second', () => {}));
        });`,
      'test/one/b.test.ts': `${imports} test('group', async (t) => { await t.test('third', () => {}); });`,
      'test/two.test.ts': `${imports} test('fourth', (t) => t.diagnostic('took 12 requests'));`,
    });
    assert.equal(code, 0);
    assert.deepEqual(
      lines.map((line) => line.replaceAll(/[\d.]+ s$|in [\d.]+ s$/g, 'T').replaceAll(/ +/g, ' ')),
      [
        'test/one 3 passed, 0 failed T',
        'test/two.test.ts 1 passed, 0 failed T',
        ' took 12 requests',
        '',
        '3 files T',
        '4 passed, 0 failed',
      ],
    );
  });

  test('lists skipped tests by name and reason', async () => {
    const { code, lines } = await runTests({
      'test/a.test.ts': `${imports}
        suite('outer', () => {
          test('needs Redis', { skip: 'no Redis here' }, () => {});
          test('runs', () => {});
        });
        suite.skip('whole suite', () => test('inside', () => {}));
        test('not written', { todo: 'later' }, () => { throw new Error(); });`,
    });
    assert.equal(code, 0);
    assert.deepEqual(lines.slice(lines.indexOf('skipped:'), -3), [
      'skipped:',
      '  test/a.test.ts > outer > needs Redis (no Redis here)',
      '  test/a.test.ts > whole suite (no reason given)',
      '  test/a.test.ts > not written (later)',
    ]);
    assert.equal(lines.at(-1), '1 passed, 0 failed, 3 skipped');
  });

  test('shows a failure with file, suites, test name, difference, stack, cause and output', async () => {
    const { code, lines } = await runTests({
      'test/a.test.ts': `${imports}
        suite('outer', () => suite('inner', () => {
          test('differs', () => {
            console.log('on standard output');
            console.error('on standard error');
            assert.deepEqual({ a: 1 }, { a: 2 });
          });
          test('has a cause', () => { throw new Error('no answer', { cause: new RangeError('too far') }); });
        }));`,
      'test/b.test.ts': `${imports} test('passes', () => console.log('not shown'));`,
    });
    assert.equal(code, 1);
    const output = lines.join('\n');
    const details = output.slice(output.indexOf('\n\n'));
    assert.match(details, /^FAILED test\/a\.test\.ts:6 > outer > inner > differs\n {2}AssertionError/m);
    assert.match(details, /^ {2}\+ {3}a: 1\n {2}- {3}a: 2$/m);
    assert.match(details, /^ +at .*test\/a\.test\.ts:9:/m);
    assert.doesNotMatch(details, /test_runner/);
    assert.match(details, /^FAILED test\/a\.test\.ts:11 > outer > inner > has a cause\n {2}Error: no answer$/m);
    assert.match(details, /\[cause\]: RangeError: too far/);
    assert.match(details, /^printed by test\/a\.test\.ts:\n {2}on standard output\n {2}on standard error\n/m);
    assert.doesNotMatch(output, /not shown/);
    assert.equal(lines.at(-1), '1 passed, 2 failed');
  });

  test('counts a failed hook and a failed test around passed subtests, but no suite for its failed tests', async () => {
    const { code, lines } = await runTests({
      'test/a.test.ts': `${imports}
        suite('with a hook', () => {
          before(() => { throw new Error('not ready'); });
          test('is cancelled', () => {});
        });
        test('fails itself', async (t) => { await t.test('passes', () => {}); throw new Error('in the end'); });
        test('fails below', async (t) => { await t.test('subtest', () => { throw new Error('below'); }); });`,
    });
    assert.equal(code, 1);
    const failed = lines.filter((line) => line.startsWith('FAILED')).map((line) => line.replace(/^.*?> /, ''));
    assert.deepEqual(failed.slice(0, 4), [
      'with a hook > is cancelled',
      'with a hook',
      'fails itself',
      'fails below > subtest',
    ]);
    assert.match(lines.join('\n'), /not ready[^]*in the end[^]*below/);
    assert.equal(lines.at(-1), '1 passed, 4 failed');
  });

  test('fails a file that breaks outside of its tests, and shows what it printed', async () => {
    const { code, lines } = await runTests({
      'test/early-exit.test.ts': `${imports} test('passes', () => {}); test('leaves', () => process.exit(0));`,
      'test/empty.test.ts': '',
      'test/exit-code.test.ts': `${imports} test('passes', () => {}); test('leaves', () => process.exit(3));`,
      'test/import.test.ts': `console.log('so far'); throw new Error('broken at import');`,
      'test/late.test.ts': `${imports}
        test('leaves something', () => { setTimeout(() => { throw new Error('too late'); }, 1); });
        test('waits', () => new Promise((resolve) => setTimeout(resolve, 50)));`,
      'test/signal.test.ts': `process.kill(process.pid, 'SIGKILL');`,
    });
    assert.equal(code, 1);
    const output = lines.join('\n');
    for (const [file, reason] of [
      ['early-exit', 'The process ended before it had reported its tests, or has none.'],
      ['empty', 'The process ended before it had reported its tests, or has none.'],
      ['exit-code', 'The process of the file ended with exit code 3.'],
      ['import', 'The process of the file ended with exit code [17].'],
      ['late', 'The process of the file ended with exit code 1.'],
      ['signal', 'The process of the file ended with signal SIGKILL.'],
    ]) {
      assert.match(output, new RegExp(`^FAILED test/${file}.test.ts\n  ${reason}$`, 'm'));
    }
    assert.match(output, /^printed by test\/import\.test\.ts:\n {2}so far\n[^]*broken at import/m);
    assert.match(output, /^printed by test\/late\.test\.ts:\n {2}.*too late/m);
    assert.equal(lines.at(-1), '2 passed, 6 failed');
  });

  test('fails a test over its time limit, and ends a file that never ends', async () => {
    const { code, lines } = await runTests(
      {
        'test/a.test.ts': `${imports} test('waits', { timeout: 50 }, () => new Promise(() => {}));`,
        'test/b.test.ts': `${imports} test('passes', () => void setInterval(() => {}, 1000));`,
      },
      '--test-timeout=2500',
    );
    assert.equal(code, 1);
    const output = lines.join('\n');
    assert.match(output, /^FAILED test\/a\.test\.ts:4 > waits\n {2}test timed out after 50ms$/m);
    assert.match(output, /^FAILED test\/b\.test\.ts\n {2}The file did not end: nothing was reported for 5 s\.$/m);
    assert.equal(lines.at(-1), '1 passed, 2 failed');
  });
});

suite('the coverage gate', { concurrency: true }, () => {
  const coverage = [
    '--experimental-test-coverage',
    '--test-coverage-include=src/**',
    '--disable-warning=ExperimentalWarning',
  ];
  const covered = 'export function twice(n: number): number {\n  return 2 * n;\n}\n';
  const half = 'export function sign(n: number): number {\n  if (n < 0) {\n    return -1;\n  }\n  return 1;\n}\n';
  const useBoth = `${imports}
    import { twice } from '../src/chat/twice.ts';
    import { sign } from '../src/pool/sign.ts';
    test('both', () => assert.equal(twice(sign(1)), 2));`;
  const rows = (lines: readonly string[]): string[] =>
    lines.filter((line) => /^(src|FAILED)/.test(line)).map((line) => line.replaceAll(/ +/g, ' '));

  test('passes with what a process started by a test covers, and does not ask for files of types', async () => {
    const { code, lines } = await runTests(
      {
        'src/chat/twice.ts': covered,
        'src/chat/types.ts': '// Only types.\nexport interface Type {\n  readonly n: number;\n}\n',
        'src/main.ts': `import { twice } from './chat/twice.ts';\nconsole.log(twice(2));\n`,
        'test/a.test.ts': `${imports}
          import { execFileSync } from 'node:child_process';
          test('main', () => assert.equal(String(execFileSync(process.execPath, ['src/main.ts'])), '4\\n'));`,
      },
      ...coverage,
    );
    assert.deepEqual(rows(lines), [
      'src/ 100.00 100.00 95 % and 90 %',
      'src/chat/ 100.00 100.00 100 % and 90 %',
      'src/framing/ 100.00 100.00 100 % and 90 %',
    ]);
    assert.equal(code, 0);
    assert.equal(lines.at(-1), '1 passed, 0 failed');
  });

  test('fails src/ below its percentage, and names the files and lines', async () => {
    const { code, lines } = await runTests(
      { 'src/chat/twice.ts': covered, 'src/pool/sign.ts': half, 'test/a.test.ts': useBoth },
      ...coverage,
    );
    assert.deepEqual(rows(lines), [
      'src/ 77.77 80.00 95 % and 90 %',
      'src/chat/ 100.00 100.00 100 % and 90 %',
      'src/framing/ 100.00 100.00 100 % and 90 %',
      'src/pool/sign.ts 66.66 66.66 lines 3-4',
      'FAILED coverage of src/',
    ]);
    assert.equal(code, 1);
    assert.equal(lines.at(-1), '1 passed, 0 failed');
  });

  test('counts a file that no test loads, and requires every line of src/chat/', async () => {
    const { code, lines } = await runTests(
      {
        'src/chat/sign.ts': half,
        'src/pool/twice.ts': covered,
        'test/a.test.ts': `${imports}
          import { sign } from '../src/chat/sign.ts';
          test('positive', () => assert.equal(sign(1), 1));`,
      },
      ...coverage,
    );
    assert.deepEqual(rows(lines), [
      'src/ 44.44 50.00 95 % and 90 %',
      'src/chat/ 66.66 66.66 100 % and 90 %',
      'src/framing/ 100.00 100.00 100 % and 90 %',
      'src/pool/twice.ts 0.00 0.00 lines 1-3',
      'src/chat/sign.ts 66.66 66.66 lines 3-4',
      'FAILED coverage of src/, src/chat/',
    ]);
    assert.equal(code, 1);
  });
});
