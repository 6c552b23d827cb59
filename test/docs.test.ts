import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { recipeOf } from './agents/recipes.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/fields.md', 'docs/agents.md'];
const manifest = JSON.parse(read('package.json')) as { version: string; scripts: Record<string, string> };

/** The text without its code blocks, in which nothing is a link or a heading. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^ *```.*?^ *```/gms, '');
}

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsIn(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

for (const document of documents) {
  suite(document, () => {
    const text = read(document);

    test('relative links lead to a file, and their anchors to a heading', () => {
      for (const [, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#', 2);
        assert.ok(existsSync(join(root, path)), target);
        if (anchor !== undefined) assert.ok(anchorsIn(read(path || document)).includes(anchor), target);
      }
    });

    test('files and scripts that it names exist', () => {
      for (const [, path = ''] of text.matchAll(/`((?:src|test|deploy)\/[\w./-]+)`/g)) {
        assert.ok(existsSync(join(root, path)), path);
      }
      for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) assert.ok(script in manifest.scripts, script);
    });
  });
}

test('the newest version in the changelog is the version of the package', () => {
  const [, version] = /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$/m.exec(read('CHANGELOG.md')) ?? [];
  assert.equal(version, manifest.version);
});

test('docs/agents.md has a recipe for every agent that `npm run agents` runs', async () => {
  const files = globSync(join(root, 'test/agents/agents/*.ts'));
  assert.ok(files.length > 0);
  for (const file of files) {
    const { agent } = (await import(file)) as { agent: { name: string } };
    const { files: written, env, setup } = recipeOf(agent.name);
    const text = JSON.stringify([...written.values(), ...Object.values(env), ...setup]);
    for (const part of ['http://127.0.0.1:11435', 'YOUR_KEY', 'qwen3-coder'])
      assert.ok(text.includes(part), `${agent.name}: ${part}`);
  }
});
