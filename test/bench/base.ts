import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './contenders.ts';

/** Runs a program. @returns its standard output @throws {Error} with its standard error */
function run(program: string, args: readonly string[], cwd: string): Buffer {
  const { error, status, stderr, stdout } = spawnSync(program, args, { cwd, maxBuffer: 512 * 1024 * 1024 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.toString()}`);
  return stdout;
}

/** Builds a checkout. @throws {Error} with the output of the compiler */
export function build(folder: string): void {
  run('npm', ['run', '--silent', 'build'], folder);
}

/** @returns the revision of this checkout; undefined outside of a git repository */
export function revision(): string | undefined {
  try {
    return run('git', ['describe', '--always', '--dirty'], root).toString().trim();
  } catch {
    return undefined;
  }
}

/**
 * Checks out and builds another revision of this repository. It shares `node_modules` if its lock file is the same.
 *
 * @throws {Error} when there is no such revision, or it cannot be installed
 */
export function checkOut(rev: string, into: string): { readonly title: string; readonly folder: string } {
  // git must not take the revision for a flag.
  const commit = run('git', ['rev-parse', '--verify', '--end-of-options', `${rev}^{commit}`], root)
    .toString()
    .trim();
  const folder = join(into, 'base');
  mkdirSync(folder);
  run('git', ['archive', '--format=tar', `--output=${join(into, 'base.tar')}`, commit], root);
  run('tar', ['-xf', join(into, 'base.tar'), '-C', folder], root);
  const lock = (at: string): string => readFileSync(join(at, 'package-lock.json'), 'utf8');
  if (lock(folder) === lock(root)) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  else run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder);
  build(folder);
  return { title: commit.startsWith(rev) ? rev.slice(0, 12) : `${rev} (${commit.slice(0, 7)})`, folder };
}
