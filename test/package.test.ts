import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Finished, start } from './cli/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-package-'));
after(() => rmSync(folder, { recursive: true }));

/** Milliseconds. With an empty npm cache, the packages are downloaded. */
const deadline = 120_000;

async function succeed(program: string, ...args: readonly string[]): Promise<Finished> {
  const finished = await start(program, args, {}, deadline).ended;
  assert.equal(finished.code, 0, finished.stderr);
  return finished;
}

test('the packed package installs without install scripts in another folder, and runs on the Node.js it brings', async () => {
  await succeed('npm', 'pack', '--pack-destination', folder);
  const [tarball = ''] = readdirSync(folder);
  await succeed(
    'npm',
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    join(folder, tarball),
  );

  const installed = join(folder, 'node_modules/llamaduct');
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((name) => name.endsWith('.ts') || name.includes('test')),
    [],
  );

  // As `npx llamaduct` does it: whatever Node.js runs npm, the `node` of the package is first on the PATH.
  const llamaduct = async (...args: readonly string[]): Promise<Finished> =>
    await succeed('npm', 'exec', '--prefix', folder, '--offline', '--', 'llamaduct', ...args);
  assert.match((await succeed('npm', 'exec', '--prefix', folder, '--', 'node', '--version')).stdout, /^v24\./);
  assert.match((await llamaduct('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match((await llamaduct('--once', 'hello')).stdout, /data: \[DONE\]\n\n---\nYou wrote: “hello”/);
  await llamaduct('check', join(installed, 'deploy/llamaduct.example.yaml'));
});
