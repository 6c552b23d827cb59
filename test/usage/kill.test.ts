import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openForReading } from '../../src/usage/database.ts';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { createReport } from '../../src/usage/report.ts';
import { start } from '../cli/run.ts';
import { day, row, temporaryFolder } from './rows.ts';

const folder = temporaryFolder();
const writer = join(import.meta.dirname, 'writer.ts');

for (const reopen of ['for reading', 'for writing'] as const) {
  test(`recorded rows survive kill -9, and the ledger opens ${reopen} without errors`, async () => {
    const file = join(folder, `${reopen}.db`);
    let printed: string[] = [];
    for (const round of [1, 2, 3]) {
      const child = start(process.execPath, [writer, file, `round${round}`]);
      await child.until(/-400\n/);
      child.kill('SIGKILL');
      const { code, stdout, stderr } = await child.ended;
      assert.deepEqual([code, stderr], [null, '']);
      // The last line may be incomplete.
      printed = [...printed, ...stdout.split('\n').slice(0, -1)];
    }
    assert.ok(printed.length >= 3 * 400);

    let requests = 0;
    if (reopen === 'for reading') {
      const database = openForReading(file);
      for (const line of createReport(database, { by: 'outcome', since: 0 }).lines) requests += line.requests;
      database.close();
    } else {
      const errors: unknown[] = [];
      const ledger = new UsageLedger(file, 365 * day, (error) => errors.push(error));
      ledger.record(row({ time: Date.now(), id: 'after' }));
      printed.push('after');
      for (const line of ledger.report({ by: 'outcome', since: 0 }).lines) requests += line.requests;
      ledger.close();
      assert.deepEqual(errors, []);
    }

    const database = new DatabaseSync(file);
    const ids = database.prepare('SELECT id FROM requests').all();
    const check = { ...database.prepare('PRAGMA integrity_check').get() };
    database.close();
    assert.deepEqual(check, { integrity_check: 'ok' });
    const there = new Set(ids.map(({ id }) => id));
    assert.deepEqual(
      printed.filter((id) => !there.has(id)),
      [],
    );
    // After each kill, the rows of one turn may have been written without their ids being printed.
    assert.ok(there.size <= printed.length + 6);
    assert.equal(there.size, ids.length);
    assert.equal(requests, ids.length);
  });
}
