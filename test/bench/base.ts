import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './contenders.ts';

/** @throws Error with what the program wrote */
function run(program: string, args: readonly string[], cwd: string): Buffer {
  const { error, status, stderr, stdout } = spawnSync(program, args, { cwd, maxBuffer: 512 * 1024 * 1024 });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.toString()}`);
  return stdout;
}

/** Makes of a checkout what is installed of it. @throws Error with what the compiler wrote */
export function build(folder: string): void {
  run('npm', ['run', '--silent', 'build'], folder);
}

/** What this checkout is, as far as git tells. */
export function revision(): string | undefined {
  try {
    return run('git', ['describe', '--always', '--dirty'], root).toString().trim();
  } catch {
    return undefined;
  }
}

/**
 * Another revision of this repository, ready to run. The dependencies are those of here where it locks the same ones.
 * @throws Error if there is no such revision, or no way to install it
 */
export function checkOut(rev: string, into: string): { readonly title: string; readonly folder: string } {
  // Before it is an argument of anything that takes flags.
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
