import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mock, suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openForWriting } from '../../src/usage/database.ts';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { groupings } from '../../src/usage/report.ts';
import { day, hour, noon, row, temporaryFolder } from './rows.ts';

const folder = temporaryFolder();
let files = 0;

function newFile(): string {
  files += 1;
  return join(folder, `${files}.db`);
}

/** Milliseconds: `noon` stays within it. */
const century = 100 * 365 * day;

function inMemory(...rows: readonly Parameters<typeof row>[0][]): UsageLedger {
  const ledger = new UsageLedger(':memory:', century, (error) => {
    throw error;
  });
  for (const values of rows) ledger.record(row(values));
  return ledger;
}

/** The rows of the file, as another program reads them. */
function rowsIn(file: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database
      .prepare('SELECT * FROM requests ORDER BY rowid')
      .all()
      .map((line) => ({ ...line }));
  } finally {
    database.close();
  }
}

suite('a row', () => {
  test('is in the file after the turn of the event loop', async () => {
    const file = newFile();
    const ledger = new UsageLedger(file, century);
    ledger.record(row({ group: 'lab' }));
    await nextTurn();
    assert.deepEqual(rowsIn(file), [row({ group: 'lab' })]);
    ledger.close();
  });

  test('may lack a group and an upstream', async () => {
    const file = newFile();
    const ledger = new UsageLedger(file, century);
    const { upstream: _, ...refused } = row({ outcome: 'client_error', status: 400 });
    ledger.record(refused);
    await nextTurn();
    assert.deepEqual(rowsIn(file), [{ ...refused, group: null, upstream: null }]);
    ledger.close();
  });

  test('has bounded texts and numbers', async () => {
    const file = newFile();
    const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
    const long = `${'m'.repeat(199)}😀 and more`;
    const odd = { input_tokens: 1.4, output_tokens: 1e300, duration_ms: NaN, queue_ms: -1 };
    ledger.record(row({ ...odd, time: noon + 0.7, id: 'x'.repeat(9_999), model: long, route: "'; DROP TABLE sums" }));
    await nextTurn();
    assert.deepEqual(
      rowsIn(file),
      [
        row({
          time: noon,
          id: 'x'.repeat(200),
          model: `${'m'.repeat(199)}\u{fffd}`,
          route: "'; DROP TABLE sums",
          input_tokens: 1,
          output_tokens: 2 ** 31 - 1,
          duration_ms: 0,
          queue_ms: 0,
        }),
      ].map((line) => ({ ...line, group: null })),
    );
    ledger.close();
  });

  test('that cannot be written is reported, without an exception', async () => {
    const errors: unknown[] = [];
    const ledger = new UsageLedger(newFile(), century, (error) => errors.push(error));
    ledger.close();
    ledger.close();
    ledger.record(row());
    await nextTurn();
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof Error);
    for (const id of ['first', 'second']) ledger.record(row({ id }));
    await nextTurn();
    assert.equal(errors.length, 3);
  });

  test('that is recorded after the ledger has closed is reported', async () => {
    const errors: unknown[] = [];
    const file = newFile();
    const ledger = new UsageLedger(file, century, (error) => errors.push(error));
    ledger.record(row({ id: 'in time' }));
    ledger.close();
    ledger.record(row({ id: 'late' }));
    await nextTurn();
    assert.deepEqual([errors.length, rowsIn(file).length], [1, 1]);
  });

  test('that fails is reported, and the other rows of its transaction are written', async () => {
    const file = newFile();
    new UsageLedger(file, century).close();
    const database = new DatabaseSync(file);
    // Fails as on a full disk.
    database.exec(`CREATE TRIGGER full BEFORE INSERT ON requests WHEN NEW.id = 'late'
      BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`);
    database.close();
    const errors: string[] = [];
    const ledger = new UsageLedger(file, century, (error) => errors.push((error as Error).message));
    for (const id of ['early', 'late', 'later']) ledger.record(row({ id }));
    await nextTurn();
    assert.deepEqual(errors, ['database or disk is full']);
    assert.equal(ledger.spent('key:alice', noon), 30);
    ledger.close();
    assert.deepEqual(
      rowsIn(file).map((line) => (line as { id: string }).id),
      ['early', 'later'],
    );
  });
});

suite('while another process holds the file', () => {
  function heldBy(file: string): DatabaseSync {
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    return other;
  }

  /** Fails as soon as recording takes too long, not only after all rows. */
  function recordMany(ledger: UsageLedger, count: number): void {
    const began = performance.now();
    for (let n = 0; n < count; n += 1) {
      ledger.record(row({ id: `${n}` }));
      assert.ok(performance.now() - began < 1_000, `${n} rows`);
    }
  }

  const ids = (file: string): unknown[] => rowsIn(file).map((line) => (line as { id: string }).id);

  test('rows do not wait long, and are written in batches when it is free', async (t) => {
    const file = newFile();
    t.after(() => mock.timers.reset());
    mock.timers.enable({ apis: ['setTimeout'] });
    const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
    const other = heldBy(file);
    recordMany(ledger, 1_500);
    mock.timers.tick(100);
    other.exec('ROLLBACK');
    mock.timers.tick(100);
    assert.equal(ids(file).length, 1_000);
    mock.timers.tick(100);
    assert.deepEqual(
      ids(file),
      Array.from({ length: 1_500 }, (_, n) => `${n}`),
    );
    ledger.record(row({ id: 'after' }));
    await nextTurn();
    assert.equal(ids(file).at(-1), 'after');
    ledger.close();
    other.close();
  });

  for (const [what, read] of [
    ['the tokens spent', (ledger: UsageLedger) => ledger.spent('key:alice', noon)],
    ['a report', (ledger: UsageLedger) => ledger.report({ by: 'key', since: noon }).lines[0]?.output_tokens],
  ] as const) {
    test(`pending rows are in ${what} as soon as the file is free`, () => {
      const file = newFile();
      const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
      const other = heldBy(file);
      ledger.record(row({ input_tokens: 0 }));
      assert.notEqual(read(ledger), 5);
      other.exec('ROLLBACK');
      assert.equal(read(ledger), 5);
      ledger.close();
      other.close();
    });
  }

  test('pending rows are written when the ledger closes', () => {
    const file = newFile();
    const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
    const other = heldBy(file);
    recordMany(ledger, 1_500);
    other.exec('ROLLBACK');
    ledger.close();
    assert.equal(rowsIn(file).length, 1_500);
    other.close();
  });

  test('the oldest rows beyond the maximum are lost and reported', () => {
    const file = newFile();
    const errors: unknown[] = [];
    const ledger = new UsageLedger(file, century, (error) => errors.push(error));
    const other = heldBy(file);
    recordMany(ledger, 10_003);
    assert.deepEqual(
      errors.map((error) => (error as Error).message),
      Array.from({ length: 3 }, () => 'database is locked'),
    );
    other.exec('ROLLBACK');
    ledger.close();
    assert.deepEqual([ids(file).length, ids(file)[0], ids(file).at(-1)], [10_000, '3', '10002']);
    assert.equal(errors.length, 3);
    other.close();
  });

  test('rows that cannot be written when the ledger closes are lost and reported', () => {
    const file = newFile();
    const errors: unknown[] = [];
    const ledger = new UsageLedger(file, century, (error) => errors.push(error));
    const other = heldBy(file);
    recordMany(ledger, 3);
    assert.equal(errors.length, 0);
    ledger.close();
    assert.equal(errors.length, 3);
    other.close();
    assert.deepEqual(rowsIn(file), []);
  });

  test('pruning is tried again later', async (t) => {
    const file = newFile();
    const ledger = new UsageLedger(file, century, (error) => assert.fail(String(error)));
    ledger.record(row());
    await nextTurn();
    t.after(() => mock.timers.reset());
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: noon });
    const pruning = new UsageLedger(file, 50 * day, (error) => assert.fail(String(error)));
    mock.timers.setTime(noon + 100 * day - 1);
    const other = heldBy(file);
    mock.timers.tick(1);
    assert.equal(rowsIn(file).length, 1);
    other.close();
    mock.timers.tick(1_000);
    assert.equal(rowsIn(file).length, 0);
    pruning.close();
    ledger.close();
  });
});

suite('spent', () => {
  test('sums the tokens of a key or a group', () => {
    const ledger = inMemory({ group: 'lab' }, { key: 'bob', group: 'lab', input_tokens: 100 }, { key: 'lab' });
    assert.equal(ledger.spent('key:alice', noon), 15);
    assert.equal(ledger.spent('key:lab', noon), 15);
    assert.equal(ledger.spent('group:lab', noon), 120);
    assert.equal(ledger.spent('group:alice', noon), 0);
    assert.equal(ledger.spent('key:', noon), 0);
    ledger.close();
  });

  test('sums from a time on', () => {
    const midnight = noon - (noon % day);
    const ledger = inMemory({ time: midnight - 1, input_tokens: 1000 }, { time: midnight }, { time: noon });
    assert.equal(ledger.spent('key:alice', midnight), 30);
    assert.equal(ledger.spent('key:alice', midnight - day), 1035);
    ledger.close();
  });

  test('is the same after a restart', () => {
    const file = newFile();
    const before = new UsageLedger(file, century);
    before.record(row());
    before.close();
    const afterwards = new UsageLedger(file, century);
    afterwards.record(row());
    assert.equal(afterwards.spent('key:alice', noon), 30);
    afterwards.close();
  });
});

suite('report', () => {
  const several = (): UsageLedger =>
    inMemory(
      {},
      { duration_ms: 2000, queue_ms: 700, time: noon + hour },
      { outcome: 'upstream_error', status: 502, input_tokens: 0, output_tokens: 0, model: 'qwen3' },
      { key: 'bob', group: 'lab', input_tokens: 100, time: noon + day },
    );
  const bob = {
    requests: 1,
    failed: 0,
    input_tokens: 100,
    output_tokens: 5,
    mean_duration_ms: 1000,
    mean_queue_ms: 100,
    max_queue_ms: 100,
  };
  const alice = {
    requests: 3,
    failed: 1,
    input_tokens: 20,
    output_tokens: 10,
    mean_duration_ms: 1333,
    mean_queue_ms: 300,
    max_queue_ms: 700,
  };

  test('groups by key, with the most tokens first', () => {
    const ledger = several();
    assert.deepEqual(ledger.report({ by: 'key', since: noon }), {
      lines: [
        { name: 'bob', ...bob },
        { name: 'alice', ...alice },
      ],
      more: false,
    });
    ledger.close();
  });

  test('groups by group, with the name null for keys without a group', () => {
    const ledger = several();
    assert.deepEqual(ledger.report({ by: 'group', since: noon }).lines, [
      { name: 'lab', ...bob },
      { name: null, ...alice },
    ]);
    ledger.close();
  });

  test('groups by day, in order of time', () => {
    const ledger = several();
    assert.deepEqual(ledger.report({ by: 'day', since: noon }).lines, [
      { name: '2026-11-10', ...alice },
      { name: '2026-11-11', ...bob },
    ]);
    ledger.close();
  });

  test('groups by model and by outcome', () => {
    const ledger = several();
    const counts = (by: 'model' | 'outcome'): unknown =>
      ledger.report({ by, since: noon }).lines.map(({ name, requests, failed }) => [name, requests, failed]);
    assert.deepEqual(counts('model'), [
      ['llama3', 3, 0],
      ['qwen3', 1, 1],
    ]);
    assert.deepEqual(counts('outcome'), [
      ['ok', 3, 0],
      ['upstream_error', 1, 1],
    ]);
    ledger.close();
  });

  test('can be limited to one key, for every grouping', () => {
    const ledger = several();
    for (const by of groupings) {
      const { lines } = ledger.report({ by, since: noon, key: 'bob' });
      assert.deepEqual(lines, [{ ...bob, name: lines[0]?.name }], by);
      assert.deepEqual(ledger.report({ by, since: noon, key: 'nobody' }).lines, [], by);
    }
    ledger.close();
  });

  test('covers whole hours', () => {
    const ledger = inMemory(
      { time: noon - hour, id: 'before' },
      { time: noon - 1 },
      { time: noon + 1 },
      { time: noon + hour },
    );
    const requests = (since: number, until?: number): number =>
      ledger
        .report({ by: 'key', since, ...(until !== undefined && { until }) })
        .lines.reduce((sum, line) => sum + line.requests, 0);
    const twelve = noon - (noon % hour);
    assert.equal(requests(noon), 3);
    assert.equal(requests(noon, noon), 2);
    assert.equal(requests(twelve, twelve), 0);
    assert.equal(requests(twelve, twelve + hour), 2);
    assert.equal(requests(twelve - 1, twelve + hour + 1), 4);
    ledger.close();
  });

  test('has at most 1,000 lines, however many models clients invent', () => {
    const ledger = inMemory();
    for (let n = 0; n < 1002; n += 1) ledger.record(row({ model: `m${n}`, input_tokens: n, time: noon + n * day }));
    const models = ledger.report({ by: 'model', since: noon });
    assert.equal(models.more, true);
    assert.equal(models.lines.length, 1000);
    assert.deepEqual([models.lines[0]?.name, models.lines.at(-1)?.name], ['m1001', 'm2']);
    const days = ledger.report({ by: 'day', since: noon });
    assert.equal(days.more, true);
    assert.deepEqual([days.lines[0]?.input_tokens, days.lines.at(-1)?.input_tokens], [2, 1001]);
    ledger.close();
  });
});

test('an in-memory ledger keeps sums but no rows', () => {
  const database = openForWriting(':memory:');
  const insert = database.prepare('INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  for (const id of ['1', '2']) {
    insert.run(noon, id, 'alice', null, 'llama3', '/v1/chat/completions', 'ollama', 'ok', 200, 10, 5, 1000, 100);
  }
  assert.equal(database.prepare('SELECT count(*) AS n FROM requests').get()?.['n'], 0);
  assert.equal(database.prepare('SELECT sum(requests) AS n FROM sums').get()?.['n'], 2);
  database.close();
});

suite('pruning', () => {
  test('deletes rows after the retention, and sums after a month at the earliest', async () => {
    const file = newFile();
    const ledger = new UsageLedger(file, century);
    ledger.close();
    const weekly = new UsageLedger(file, 7 * day);
    const now = Date.now();
    const ages = [40 * day, 30 * day, 7 * day + hour, 7 * day - hour, 0];
    for (const age of ages) weekly.record(row({ time: now - age, id: `${age / hour}` }));
    await nextTurn();
    assert.equal(weekly.prune(now), 3);
    assert.equal(weekly.prune(now), 0);
    assert.deepEqual(
      rowsIn(file).map((line) => (line as { id: string }).id),
      ['167', '0'],
    );
    assert.equal(weekly.spent('key:alice', 0), 4 * 15);
    weekly.close();
  });

  test('deletes expired rows behind rows of a clock that was ahead', async () => {
    const ledger = new UsageLedger(newFile(), 7 * day);
    const now = Date.now();
    for (let n = 0; n < 1_500; n += 1) ledger.record(row({ time: now + 300 * day }));
    for (let n = 0; n < 1_500; n += 1) ledger.record(row({ time: now - 40 * day }));
    await nextTurn();
    ledger.spent('key:alice', 0);
    assert.deepEqual([ledger.prune(now), ledger.prune(now), ledger.prune(now)], [1_000, 500, 0]);
    ledger.close();
  });

  test('runs at the start in batches, and then every hour', async (t) => {
    const file = newFile();
    const first = new UsageLedger(file, century);
    for (let n = 0; n < 2500; n += 1) first.record(row());
    first.close();
    t.after(() => mock.timers.reset());
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: noon + 100 * day });
    const ledger = new UsageLedger(file, 50 * day, (error) => assert.fail(String(error)));
    assert.equal(rowsIn(file).length, 1500);
    assert.equal(ledger.spent('key:alice', 0), 0);
    mock.timers.tick(50);
    assert.equal(rowsIn(file).length, 500);
    mock.timers.tick(50);
    assert.equal(rowsIn(file).length, 0);
    ledger.record(row({ time: noon + 50 * day + 1 }));
    await nextTurn();
    mock.timers.tick(hour - 1);
    assert.equal(rowsIn(file).length, 1);
    mock.timers.tick(1);
    assert.equal(rowsIn(file).length, 0);
    ledger.close();
  });

  test('does not keep the process alive', async () => {
    const module = JSON.stringify(new URL('../../src/usage/ledger.ts', import.meta.url).href);
    const script = `const { UsageLedger } = await import(${module}); new UsageLedger(':memory:', 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { timeout: 10_000 });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});
