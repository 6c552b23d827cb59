import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageLedger } from '../../src/usage/ledger.ts';
import { row } from './rows.ts';

// A process that writes rows until it is killed, or up to a number, and prints the id of each row once it is written.
const [file = '', name = '', count = 'Infinity'] = process.argv.slice(2);
const ledger = new UsageLedger(file, 365 * 24 * 3_600_000, (error) => {
  throw error;
});
for (let n = 0; n < Number(count); n += 2) {
  const ids = [`${name}-${n}`, `${name}-${n + 1}`];
  for (const id of ids) ledger.record(row({ time: Date.now(), id, key: name }));
  await nextTurn();
  await new Promise((written) => process.stdout.write(`${ids.join('\n')}\n`, written));
}
ledger.close();
