import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import { afterUsageRows } from '../../src/usage/writer.ts';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { day, row, temporaryFolder } from './rows.ts';

const folder = temporaryFolder();
/** Milliseconds: `noon` of rows.ts stays within it. */
const retention = 100 * 365 * day;

function openLedger(name: string): { ledger: UsageLedger; rows: () => number } {
  const file = join(folder, `${name}.db`);
  const ledger = new UsageLedger(file, retention, (error) => assert.fail(String(error)));
  const other = new DatabaseSync(file, { readOnly: true });
  const rows = (): number => other.prepare('SELECT count(*) AS n FROM requests').get()?.['n'] as number;
  return { ledger, rows };
}

suite('afterUsageRows', () => {
  test('runs the callback after the rows of this turn are committed, also rows recorded after the call', async () => {
    const { ledger, rows } = openLedger('turn');
    ledger.record(row({ id: 'before' }));
    const committed = new Promise((resolve) => {
      afterUsageRows(() => resolve(rows()));
    });
    ledger.record(row({ id: 'after' }));
    assert.equal(rows(), 0);
    assert.equal(await committed, 2);
    ledger.close();
  });

  test('runs the callback after the rows of every ledger are committed', async () => {
    const [first, second] = [openLedger('first'), openLedger('second')];
    first.ledger.record(row());
    const committed = new Promise((resolve) => {
      afterUsageRows(() => resolve([first.rows(), second.rows()]));
    });
    second.ledger.record(row());
    assert.deepEqual(await committed, [1, 1]);
    first.ledger.close();
    second.ledger.close();
  });

  test('runs callbacks in order, without rows too, and never at once', async () => {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      afterUsageRows(() => order.push('first'));
      afterUsageRows(() => {
        order.push('second');
        resolve();
      });
    });
    order.push('sync');
    await done;
    assert.deepEqual(order, ['sync', 'first', 'second']);
  });

  test('commits rows that a callback records at the end of the next turn', async () => {
    const { ledger, rows } = openLedger('nested');
    const counts = await new Promise((resolve) => {
      afterUsageRows(() => {
        ledger.record(row());
        const before = rows();
        afterUsageRows(() => resolve([before, rows()]));
      });
    });
    assert.deepEqual(counts, [0, 1]);
    ledger.close();
  });

  test('runs the callback although another process holds the file', async () => {
    const { ledger, rows } = openLedger('held');
    const other = new DatabaseSync(join(folder, 'held.db'));
    other.exec('BEGIN IMMEDIATE');
    ledger.record(row());
    assert.equal(
      await new Promise((resolve) => {
        afterUsageRows(() => resolve(rows()));
      }),
      0,
    );
    other.close();
    ledger.close();
    assert.equal(rows(), 1);
  });
});
