import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { UsageFlags } from '../../src/cli/args.ts';
import { usage } from '../../src/cli/usage.ts';
import { UsageLedger, type UsageRow } from '../../src/usage/ledger.ts';
import { start } from './run.ts';
import { day, hour, row, temporaryFolder } from '../usage/rows.ts';

const folder = temporaryFolder();
const file = join(folder, 'usage.db');
const config = configured('usage.yaml', file);

/** Writes a configuration file. @param database its usage.file; undefined for none */
function configured(name: string, database: string | undefined): string {
  const path = join(folder, name);
  writeFileSync(path, database === undefined ? '{}\n' : `usage: {file: ${JSON.stringify(database)}}\n`);
  return path;
}

/** Runs the command in its own process. @returns its standard output */
async function printed(flags: UsageFlags): Promise<string> {
  const module = JSON.stringify(new URL('../../src/cli/usage.ts', import.meta.url).href);
  const script = `const { usage } = await import(${module}); await usage(${JSON.stringify(flags)});`;
  const { code, stdout, stderr } = await start(process.execPath, ['--input-type=module', '--eval', script]).ended;
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

function write(ledger: UsageLedger, ...rows: readonly Partial<UsageRow>[]): void {
  for (const values of rows) ledger.record(row({ time: Date.now(), ...values }));
}

suite('llamaduct usage', () => {
  const ledger = new UsageLedger(file, 100 * day, (error) => assert.fail(String(error)));
  write(
    ledger,
    { input_tokens: 1_234_567, duration_ms: 90_000 },
    { outcome: 'client_closed', queue_ms: 2_300 },
    { key: 'bob', model: 'red\u001b[31m\u009b' },
    { key: 'bob', model: 'old', time: Date.now() - 10 * day },
  );

  test('prints a table by key while another process has the database open', async () => {
    const stdout = await printed({ config, since: '7d' });
    assert.equal(
      stdout,
      `KEY      REQUESTS  FAILED      INPUT  OUTPUT  MEAN TIME  MEAN WAIT  MAX WAIT
alice           2       1  1,234,577      10      45.5s       1.2s      2.3s
bob             1       0         10       5       1.0s       0.1s      0.1s
(total)         3       1  1,234,587      15      30.7s       0.8s      2.3s
`,
    );
  });

  test('replaces control characters in model names', async () => {
    const stdout = await printed({ config, since: '7d', by: 'model' });
    assert.deepEqual(
      stdout.split('\n').map((line) => line.split(/  /)[0]),
      ['MODEL', 'llama3', 'red\u{fffd}[31m\u{fffd}', '(total)', ''],
    );
    assert.doesNotMatch(stdout, /[^\P{C}\n]/u);
  });

  test('prints no total for a single line, and only the header for no lines', async () => {
    const stdout = await printed({ config, by: 'group' });
    assert.match(stdout, /^GROUP .*\n- {13}4 .*\n$/);
    const none = await printed({ config, since: '2999-01-01' });
    assert.match(none, /^KEY +REQUESTS.*\n$/);
  });

  test('prints JSON for the last 30 days by default', async () => {
    const stdout = await printed({ config, json: true, by: 'model' });
    const { by, since, data } = JSON.parse(stdout) as { by: string; since: number; data: object[] };
    assert.equal(by, 'model');
    assert.ok(Math.abs(since * 1000 - (Date.now() - 30 * day)) <= hour + 60_000);
    assert.deepEqual(data.at(-1), {
      name: 'red\u001b[31m\u009b',
      requests: 1,
      failed: 0,
      input_tokens: 10,
      output_tokens: 5,
      mean_duration_ms: 1000,
      mean_queue_ms: 100,
      max_queue_ms: 100,
    });
    assert.equal(data.length, 3);
  });

  for (const [cause, flags, exitCode, message] of [
    ['an unknown --by', { config, by: 'user' }, 2, /^--by: expected one of key, model, group, day, outcome$/],
    ['an invalid --since', { config, since: 'soon' }, 2, /^--since: expected a duration before now such as 7d/],
    ['no configuration', {}, 2, /^'usage' needs --config FILE$/],
    ['no usage.file', { config: configured('none.yaml', undefined) }, 1, /^usage\.file is not set in .*none\.yaml/],
    [
      'a usage.file that does not exist',
      { config: configured('later.yaml', join(folder, 'later.db')) },
      1,
      /later\.db does not exist; llamaduct creates it when it starts$/,
    ],
  ] as const) {
    test(`explains ${cause}`, async () => {
      await assert.rejects(usage(flags), { name: 'CommandError', exitCode, message });
    });
  }

  test('explains a usage.file that is not a database', async () => {
    const text = configured('text.yaml', config);
    await assert.rejects(usage({ config: text }), { name: 'ConfigError', message: /it is not an SQLite database$/ });
  });
});
