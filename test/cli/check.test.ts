import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-check-'));
after(() => rmSync(folder, { recursive: true }));

test('check prints ok for a valid file', async () => {
  const file = 'deploy/llamaduct.example.yaml';
  assert.deepEqual(await run(['check', file]), { code: 0, stdout: `${file}: ok\n`, stderr: '' });
});

test('check prints every error with line and column and exits with 1', async () => {
  const file = join(folder, 'faulty.yaml');
  writeFileSync(file, 'listen: here\nlimits:\n  bdy: 1MiB\n');
  assert.deepEqual(await run(['check', file]), {
    code: 1,
    stdout: `${file}:1:9: listen: expected HOST:PORT, for example 127.0.0.1:11435\n${file}:3:3: limits.bdy: unknown setting; did you mean body?\n`,
    stderr: '',
  });
});

test('check exits with 1 when the file is missing', async () => {
  const { code, stdout } = await run(['check', join(folder, 'none.yaml')]);
  assert.equal(code, 1);
  assert.match(stdout, /^cannot read the configuration file: ENOENT/);
});
