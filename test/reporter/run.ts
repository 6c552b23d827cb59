import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

const reporter = join(import.meta.dirname, 'main.ts');

interface Run {
  readonly code: number | null;
  readonly lines: readonly string[];
}

/**
 * Runs `node --test` with the reporter in a folder of its own.
 * @param files text by path; those that end in `.test.ts` run
 * @param flags of `node`
 */
export async function runTests(files: Readonly<Record<string, string>>, ...flags: readonly string[]): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'llamaduct-reporter-'));
  try {
    for (const [path, content] of Object.entries({ 'package.json': '{ "type": "module" }', ...files })) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), content);
    }
    const tests = Object.keys(files).filter((path) => path.endsWith('.test.ts'));
    // With NODE_TEST_CONTEXT, Node would take the run for a test file of the run around it.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--test', `--test-reporter=${reporter}`, ...flags, ...tests], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const output = await text(child.stdout);
    return { code: await exit, lines: output.trimEnd().split('\n') };
  } finally {
    await rm(folder, { recursive: true });
  }
}
