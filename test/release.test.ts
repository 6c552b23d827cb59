import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { root, start } from './cli/run.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly needs?: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
}

const text = readFileSync(join(root, '.github/workflows/release.yml'), 'utf8');
const workflow = parse(text) as {
  readonly on: { readonly push: { readonly tags: readonly string[] } };
  readonly permissions: object;
  readonly jobs: Readonly<Record<'build' | 'publish', Job>>;
};
const { build, publish } = workflow.jobs;

const { scripts, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly version: string;
};

const lockedPackages = Object.entries(
  (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { readonly packages: object }).packages,
);

function commandsOf({ steps }: Job): string[] {
  return steps.flatMap(({ run }) => (run === undefined ? [] : run.trim().split('\n')));
}

/** The command of a job that begins like this. */
function command(job: Job, beginning: string): string {
  const found = commandsOf(job).filter((line) => line.startsWith(beginning));
  assert.equal(found.length, 1, beginning);
  return found[0] as string;
}

suite('.github/workflows/release.yml', () => {
  test('runs for version tags only', () => {
    assert.deepEqual(workflow.on, { push: { tags: ['v*.*.*'] } });
  });

  test('installs, builds, checks and tests before it packs', () => {
    const order = [
      'npm ci',
      'npm run build',
      'npm run check',
      'npm test',
      'npm run test:attacks',
      'npm sbom ',
      'npm pack ',
    ];
    const commands = commandsOf(build);
    const positions = order.map((beginning) => commands.indexOf(command(build, beginning)));
    assert.deepEqual(
      positions,
      positions.toSorted((a, b) => a - b),
    );
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) assert.ok(script in scripts, script);
  });

  test('every action is pinned to a commit, with its version as a comment', () => {
    const used = text.match(/\buses:.*/g) ?? [];
    assert.equal(used.length, build.steps.concat(publish.steps).filter(({ uses }) => uses !== undefined).length);
    for (const line of used) assert.match(line, /^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('only the job that runs no code of dependencies may publish', () => {
    assert.deepEqual(workflow.permissions, {});
    assert.deepEqual(build.permissions, { contents: 'read' });
    assert.deepEqual(publish.permissions, { contents: 'write', 'id-token': 'write' });
    assert.equal(publish.needs, 'build');
    assert.ok(commandsOf(publish).every((line) => /^(npm publish|gh release create) /.test(line)));
    assert.ok(!text.includes('secrets.'));
  });

  test('publishes the packed file with provenance, and the SBOM with the release', () => {
    assert.match(command(publish, 'npm publish '), / --provenance .*\.\/llamaduct-\*\.tgz$/);
    assert.match(command(publish, 'gh release create '), /llamaduct-\*\.tgz .*llamaduct\.cdx\.json$/);
  });

  test('no expression is put into a shell script, where a tag or branch name would be run', () => {
    for (const { run = '' } of [...build.steps, ...publish.steps]) assert.ok(!run.includes('${{'), run);
  });

  test('the tag must be the version of the package', async () => {
    const check = command(build, 'test ');
    const codeFor = async (tag: string): Promise<unknown> =>
      (await start('bash', ['-c', check], { GITHUB_REF_NAME: tag }).ended).code;
    assert.equal(await codeFor(`v${version}`), 0);
    assert.equal(await codeFor('v99.0.0'), 1);
  });

  test('the SBOM lists every production package with its hash, on every platform', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'llamaduct-sbom-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const finished = await start('bash', ['-c', command(build, 'npm sbom ')], { RUNNER_TEMP: folder }).ended;
    assert.equal(finished.code, 0, finished.stderr);
    const sbom = JSON.parse(readFileSync(join(folder, 'llamaduct.cdx.json'), 'utf8')) as {
      readonly bomFormat: string;
      readonly components: readonly {
        readonly purl: string;
        readonly hashes?: readonly unknown[];
        readonly properties: readonly { readonly name: string }[];
      }[];
    };
    assert.equal(sbom.bomFormat, 'CycloneDX');
    const production = sbom.components.filter(
      ({ properties }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'),
    );
    assert.ok(production.every(({ hashes = [] }) => hashes.length > 0));
    const listed = production.map(({ purl }) => purl.replace('%40', '@'));
    const locked = (lockedPackages as [string, { readonly version: string; readonly dev?: boolean }][])
      .filter(([path, { dev }]) => path !== '' && dev !== true)
      .map(([path, { version: of }]) => `pkg:npm/${path.replace(/.*node_modules\//, '')}@${of}`);
    assert.deepEqual(listed.toSorted(), locked.toSorted());
  });
});
