import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const config = '.dependency-cruiser.json';

interface Report {
  summary: {
    violations: { rule: { name: string }; from: string; to: string }[];
    environment: { issues?: unknown[] };
  };
  modules: { source: string }[];
}

async function cruise(folder: string): Promise<Report> {
  const args = [join(root, 'node_modules/.bin/depcruise'), 'src', '--config', config, '--output-type', 'json'];
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout) as Report;
}

/** A file, and the file or package that it must not import. */
type Planted = readonly [from: string, to: string];

/** Imports from a folder of src that each lead to another. */
function imports(from: string, ...folders: readonly string[]): Planted[] {
  return folders.map((to) => [`src/${from}/planted.ts`, `src/${to}/target.ts`]);
}

const around = [
  'http',
  'exchange',
  'handlers',
  'streaming',
  'pool',
  'store',
  'schema',
  'policy',
  'limits',
  'scheduling',
];

/** By rule of `.dependency-cruiser.json`, imports that it forbids. */
const planted: Readonly<Record<string, readonly Planted[]>> = {
  'no-circular': [['src/policy/circle.ts', 'src/policy/circle.ts']],
  'protocols-are-islands': imports('protocols/openai', 'protocols/ollama', 'upstreams', ...around, 'usage', 'cli'),
  'upstreams-are-islands': imports('upstreams/ollama', 'upstreams/openai', 'protocols', ...around, 'usage', 'cli'),
  'the-model-knows-nobody': [
    ...imports('chat', 'protocols', 'upstreams', 'config', 'telemetry', ...around),
    ...imports('framing', 'protocols', 'upstreams', 'config', 'telemetry', ...around),
  ],
  'the-model-has-no-runtime-dependencies': [
    ['src/chat/package.ts', 'zod'],
    ['src/framing/package.ts', 'zod'],
    ['src/errors.ts', 'zod'],
  ],
  'shared-parts-stand-alone': ['scheduling', 'limits', 'usage', 'schema', 'images'].flatMap((from) =>
    imports(from, 'http', 'exchange', 'handlers', 'streaming', 'pool', 'protocols', 'upstreams', 'store', 'policy'),
  ),
  'search-knows-no-route': imports(
    'search',
    'http',
    'exchange',
    'handlers',
    'streaming',
    'pool',
    'protocols',
    'upstreams',
  ),
  'exchange-knows-no-route': imports('exchange', 'http', 'handlers', 'streaming', 'pool', 'protocols', 'upstreams'),
  'streaming-knows-no-route': imports('streaming', 'http', 'handlers', 'pool', 'protocols', 'policy', 'limits'),
  'pool-knows-no-route': imports('pool', 'http', 'handlers', 'streaming', 'protocols', 'policy', 'limits', 'usage'),
  'http-knows-no-handler': imports('http', 'handlers', 'pool', 'upstreams', 'limits', 'images', 'schema'),
  'steps-know-no-handler': imports('handlers/steps', 'handlers', 'handlers/passthrough'),
  'policy-and-store-stand-apart': ['policy', 'store'].flatMap((from) =>
    imports(from, 'http', 'exchange', 'handlers', 'streaming', 'pool', 'protocols', 'upstreams'),
  ),
  'not-to-dev-dependency': [['src/policy/package.ts', 'openai']],
  'the-service-does-not-know-its-command-line': [
    ...imports('handlers', 'cli', 'demo'),
    ['src/gateway.ts', 'src/cli/target.ts'],
  ],
  'no-tests': [['src/policy/planted.ts', 'test/target.ts']],
  'not-to-unresolvable': [['src/policy/planted.ts', 'src/policy/missing.ts']],
};

/** Imports only a type, which is a dependency too; of a package a value, since types come from any package. */
function importOf([from, to]: Planted): string {
  return /^(src|test)\//.test(to) ? `import type {} from './${relative(dirname(from), to)}';\n` : `import '${to}';\n`;
}

function pairOf({ from, to }: { readonly from: string; readonly to: string }): string {
  const target = to.startsWith('./') ? join(dirname(from), to) : to.replace(/^.*node_modules\/([^/]+)\/.*$/, '$1');
  return `${from} -> ${target}`;
}

/** Writes the files of `planted` into a folder that has the configuration and the packages of this one. */
async function plant(folder: string): Promise<void> {
  for (const name of ['package.json', config]) await cp(join(root, name), join(folder, name));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  const all = Object.values(planted).flat();
  const targets = all.map(([, to]) => to).filter((to) => to.endsWith('/target.ts'));
  const texts = new Map(targets.map((to) => [to, 'export {};\n']));
  for (const pair of all) texts.set(pair[0], (texts.get(pair[0]) ?? '') + importOf(pair));
  for (const [name, text] of texts) {
    await mkdir(join(folder, dirname(name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

suite('the dependency rules', () => {
  test('see every file of src, in which none is broken', async () => {
    const { summary, modules } = await cruise(root);
    const files = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => /\.[jt]s$/.test(name));
    const seen = new Set(modules.map(({ source }) => source));
    assert.deepEqual(
      files.filter((name) => !seen.has(`src/${name}`)),
      [],
    );
    assert.deepEqual(summary.violations, []);
    // Warnings that something may have been missed.
    assert.equal(summary.environment.issues, undefined);
  });

  test('each have an import planted that breaks them', async () => {
    const { forbidden } = JSON.parse(await readFile(join(root, config), 'utf8')) as { forbidden: { name: string }[] };
    assert.deepEqual(
      Object.keys(planted),
      forbidden.map(({ name }) => name),
    );
  });

  test('report each planted import', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llamaduct-structure-'));
    try {
      await plant(folder);
      const { summary } = await cruise(folder);
      const found = new Set(summary.violations.map((violation) => `${violation.rule.name}: ${pairOf(violation)}`));
      const expected = Object.entries(planted).flatMap(([rule, pairs]) =>
        pairs.map(([from, to]) => `${rule}: ${pairOf({ from, to })}`),
      );
      assert.deepEqual(
        expected.filter((line) => !found.has(line)),
        [],
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
