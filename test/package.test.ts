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

test('the packed package installs in another folder and runs compiled JavaScript', async () => {
  await succeed('npm', 'pack', '--pack-destination', folder);
  const [tarball = ''] = readdirSync(folder);
  // Without install scripts, the npm package `node` installs no binary: the test uses its own Node.
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

  const bin = join(folder, 'node_modules/.bin/llamaduct');
  assert.match((await succeed(process.execPath, bin, '--version')).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match(
    (await succeed(process.execPath, bin, '--once', 'hello')).stdout,
    /data: \[DONE\]\n\n---\nYou wrote: “hello”/,
  );
  await succeed(process.execPath, bin, 'check', join(installed, 'deploy/llamaduct.example.yaml'));
});
