import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Package } from './agent.ts';

const run = promisify(execFile);

/** Folder of the installed agents, which later runs use again. Nothing is installed into the project. */
export const cache = process.env['LLAMADUCT_AGENTS'] ?? join(homedir(), '.cache', 'llamaduct-agents');

/** Marks an environment of Python whose installation was not cut short. */
const complete = 'installed';

function installedVersion(folder: string, name: string): string | undefined {
  const manifest = join(folder, 'node_modules', name, 'package.json');
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : undefined;
}

async function installNpm({ name, version }: Package, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const options = ['--save-exact', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  // The folder's own .npmrc and package.json count, not the project's: npm runs in the cache.
  await run('npm', ['install', '--prefix', folder, ...options, `${name}@${version}`], { cwd: cache });
}

async function installPypi({ name, version }: Package, folder: string): Promise<void> {
  await run('python3', ['-m', 'venv', folder]);
  const pip = ['install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:', `${name}==${version}`];
  await run(join(folder, 'bin', 'pip'), pip, { maxBuffer: 64 * 1024 * 1024 });
  writeFileSync(join(folder, complete), '');
}

/**
 * Installs a package, without running its install scripts, unless the cache has it in this version: in a folder of its own, or
 * among others in `node_modules`.
 * @returns the folder that it is in: a prefix of npm, or a virtual environment of Python
 * @throws Error with npm's or pip's output
 */
export async function install(wanted: Package): Promise<string> {
  const { registry, name, version } = wanted;
  if (registry === 'npm' && installedVersion(cache, name) === version) return cache;
  // Not `name@version`: npm would take the folder for what it is asked to install.
  const folder = join(cache, `${basename(name)}-${version}`);
  const present = registry === 'npm' ? installedVersion(folder, name) === version : existsSync(join(folder, complete));
  if (present) return folder;
  mkdirSync(cache, { recursive: true });
  if (registry === 'npm') await installNpm(wanted, folder);
  else await installPypi(wanted, folder);
  return folder;
}
