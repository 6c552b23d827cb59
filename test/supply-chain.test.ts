import assert from 'node:assert/strict';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { root, start } from './cli/run.ts';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly libc?: string | readonly string[];
}
type Packages = Readonly<Record<string, LockedPackage>>;

const readJson = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'));

const manifest = readJson('package.json') as {
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
};

/** The entries of a lock file, without the project itself. */
function packagesIn(file: string): Packages {
  const { packages } = readJson(file) as { readonly packages: Packages };
  return Object.fromEntries(Object.entries(packages).filter(([path]) => path !== ''));
}

const locked = packagesIn('package-lock.json');

const { header } = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
const thisLibc = header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';

/** True if npm installs the package on this platform: the conditions of `os`, `cpu` and `libc`. */
function isForThisPlatform({ os, cpu, libc }: LockedPackage): boolean {
  return (
    accepts(os, process.platform) &&
    accepts(cpu, process.arch) &&
    (process.platform !== 'linux' || accepts(libc, thisLibc))
  );
}

function accepts(condition: string | readonly string[] | undefined, value: string): boolean {
  return condition === undefined || [condition].flat().includes(value);
}

/** Entries whose download npm could not verify: those of this platform, and those that users install on any platform. */
function withoutIntegrity(packages: Packages): string[] {
  return Object.entries(packages)
    .filter(([, entry]) => entry.dev !== true || isForThisPlatform(entry))
    .filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))
    .map(([path]) => path);
}

/** The package at a path of a lock file: `@swc/core` for `node_modules/a/node_modules/@swc/core`. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** Packages with an install script that `allowScripts` does not list. */
function unreviewedScripts(packages: Packages, reviewed: Readonly<Record<string, boolean>>): string[] {
  return Object.entries(packages)
    .filter(([path, { hasInstallScript }]) => hasInstallScript === true && !Object.hasOwn(reviewed, nameOf(path)))
    .map(([path]) => path);
}

suite('package-lock.json', () => {
  test('every package of this platform, and every production package, has an integrity', () => {
    assert.deepEqual(withoutIntegrity(locked), []);
  });

  test('a package without integrity is reported', () => {
    const path = 'node_modules/hono';
    const { integrity: _, ...rest } = locked[path] as LockedPackage;
    assert.deepEqual(withoutIntegrity({ ...locked, [path]: rest }), [path]);
  });

  test('no package outside the allow list has an install script', () => {
    assert.deepEqual(unreviewedScripts(locked, manifest.allowScripts), []);
  });

  test('a new package with an install script is reported', () => {
    const added = { version: '1.0.0', hasInstallScript: true };
    const path = 'node_modules/left/node_modules/right';
    assert.deepEqual(unreviewedScripts({ ...locked, [path]: added }, manifest.allowScripts), [path]);
  });

  test('the allow list is empty: it denies every script it lists, and npm refuses packages that it does not list', () => {
    assert.deepEqual(manifest.allowScripts, { '@swc/core': false, protobufjs: false });
    assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^strict-allow-scripts=true$/m);
  });
});

test('no installed package has an install script that the lock file does not mention', () => {
  for (const path of Object.keys(packagesIn('node_modules/.package-lock.json'))) {
    const file = join(path, 'package.json');
    // Some packages of other platforms are listed but not installed.
    if (!existsSync(join(root, file))) continue;
    const { scripts = {} } = readJson(file) as { readonly scripts?: Readonly<Record<string, string>> };
    const atInstallation = ['preinstall', 'install', 'postinstall'].filter((name) => Object.hasOwn(scripts, name));
    // npm runs node-gyp for a package that has this file.
    if (existsSync(join(root, path, 'binding.gyp'))) atInstallation.push('binding.gyp');
    if (atInstallation.length > 0)
      assert.equal(locked[path]?.hasInstallScript, true, `${path}: ${atInstallation.join(', ')}`);
  }
});

suite('the Node.js that npm installs', () => {
  const bundled = Object.keys(manifest.optionalDependencies);

  test('is a locked package for Linux, macOS and Windows', () => {
    const platforms = bundled.map((name) => {
      const { os, cpu, optional, version } = locked[`node_modules/${name}`] as LockedPackage;
      assert.equal(optional, true);
      assert.match(version, /^24\./);
      return [os, cpu].flat().join(' ');
    });
    assert.deepEqual(platforms.toSorted(), ['darwin arm64', 'darwin x64', 'linux arm64', 'linux x64', 'win32 x64']);
  });

  test('is the first `node` on the PATH of npm scripts, whatever the system has', async (t) => {
    const here = bundled.find((name) => isForThisPlatform(locked[`node_modules/${name}`] as LockedPackage));
    if (here === undefined) return t.skip(`there is none for ${process.platform} ${process.arch}`);
    const { version } = locked[`node_modules/${here}`] as LockedPackage;
    assert.ok(realpathSync(join(root, 'node_modules/.bin/node')).startsWith(join(root, 'node_modules', here)));
    const inScript = await start('npm', ['exec', '--call', 'node --version']).ended;
    assert.deepEqual(inScript, { code: 0, stdout: `v${version}\n`, stderr: '' });
    const started = await start('npm', ['start', '--silent', '--', '--version']).ended;
    assert.equal(started.code, 0, started.stderr);
  });
});
