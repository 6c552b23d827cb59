import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite, test } from 'node:test';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');

interface Report {
  summary: { totalCruised: number; violations: { rule: { name: string }; from: string }[] };
  modules: { source: string }[];
}

async function cruise(folder: string): Promise<Report> {
  const args = [join(root, 'node_modules/.bin/depcruise'), 'src'];
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...args, '--config', '.dependency-cruiser.json', '--output-type', 'json'],
    options,
  );
  return JSON.parse(stdout) as Report;
}

suite('the directions of src', () => {
  test('every file is looked at, and none goes the wrong way', async () => {
    const { summary, modules } = await cruise(root);
    const files = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => /\.[jt]s$/.test(name));
    const seen = new Set(modules.map(({ source }) => source));
    assert.deepEqual(
      files.filter((name) => !seen.has(`src/${name}`)),
      [],
    );
    assert.deepEqual(summary.violations, []);
  });

  test('a step the wrong way is caught', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llamaduct-structure-'));
    try {
      for (const name of ['src', 'package.json', '.dependency-cruiser.json'])
        await cp(join(root, name), join(folder, name), { recursive: true });
      await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
      const planted: Record<string, [string, string]> = {
        'src/chat/planted.ts': ['the-model-knows-nobody', "import '../handlers/generation.ts';\n"],
        'src/protocols/openai/planted.ts': ['protocols-are-islands', "import '../ollama/error.ts';\n"],
        'src/upstreams/ollama/planted.ts': ['upstreams-are-islands', "import '../../protocols/openai/error.ts';\n"],
        'src/handlers/planted.ts': ['the-service-does-not-know-its-command-line', "import '../cli/serve.ts';\n"],
        'src/framing/planted.ts': ['the-model-has-no-runtime-dependencies', "import 'zod';\n"],
        'src/policy/planted.ts': ['not-to-dev-dependency', "import 'openai';\n"],
        'src/policy/circle.ts': ['no-circular', "import './circle-back.ts';\n"],
        'src/policy/circle-back.ts': ['no-circular', "import './circle.ts';\n"],
      };
      for (const [name, [, text]] of Object.entries(planted)) await writeFile(join(folder, name), text);
      const { summary } = await cruise(folder);
      for (const [name, [rule]] of Object.entries(planted)) {
        assert.ok(
          summary.violations.some((found) => dirname(found.from) === dirname(name) && found.rule.name === rule),
          `${rule} in ${name}`,
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
