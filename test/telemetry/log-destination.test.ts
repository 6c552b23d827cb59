import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LogDestination } from '../../src/telemetry/log-destination.ts';
import { until } from '../helpers/wait.ts';

function fileOf(t: TestContext): { readonly fd: number; readonly text: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'llamaduct-log-'));
  const file = join(folder, 'log');
  const fd = openSync(file, 'a');
  t.after(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  return { fd, text: () => readFileSync(file, 'utf8') };
}

function unexpected(): void {
  assert.fail('no line was lost');
}

test('lines are written in order, in batches', async (t) => {
  const { fd, text } = fileOf(t);
  const destination = new LogDestination(fd, unexpected);
  const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}\n`);
  for (const line of lines) destination.write(line);
  await until('the last line', () => text().endsWith('line 999\n'));
  assert.equal(text(), lines.join(''));
  assert.equal(destination.lost, 0);
});

test('lines that are left when the process ends are written then', (t) => {
  const { fd, text } = fileOf(t);
  const destination = new LogDestination(fd, unexpected);
  destination.write('one\n');
  destination.write('two\n');
  destination.flushSync();
  assert.equal(text(), 'one\ntwo\n');
});

test('lines beyond the memory for them are lost and counted', (t) => {
  const { fd } = fileOf(t);
  const destination = new LogDestination(fd, () => undefined);
  const line = `${'x'.repeat(1023)}\n`;
  for (let lines = 0; lines < 1100; lines += 1) destination.write(line);
  assert.ok(destination.lost > 0);
  destination.flushSync();
});
