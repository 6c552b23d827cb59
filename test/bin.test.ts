import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { root, run, start } from './cli/run.ts';

function asNode(version: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const fakeVersion = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`;
  return start(process.execPath, ['--import', `data:text/javascript,${fakeVersion}`, 'src/bin.js', '--version']).ended;
}

const { version } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { version: string };

for (const old of ['12.22.12', '18.20.8', '20.20.2', '22.18.0']) {
  test(`bin.js on Node ${old} prints one line and exits with 1`, async () => {
    assert.deepEqual(await asNode(old), {
      code: 1,
      stdout: '',
      stderr: `llamaduct needs Node.js 22.19 or newer; this is ${old}. \`npm start\` in a checkout and \`npx llamaduct\` install a suitable one.\n`,
    });
  });
}

for (const recent of ['22.19.0', '24.0.0', '100.1.0']) {
  test(`bin.js on Node ${recent} runs llamaduct`, async () =>
    assert.deepEqual(await asNode(recent), { code: 0, stdout: `${version}\n`, stderr: '' }));
}

test('--help lists every command and variable', async () => {
  const { code, stdout, stderr } = await run(['--help']);
  assert.deepEqual([code, stderr], [0, '']);
  for (const word of [
    'serve',
    '--once',
    'keys new',
    'keys list',
    'keys revoke',
    'keys rotate',
    'usage',
    'check',
    'LLAMADUCT_KEY',
    'LLAMADUCT_METRICS_TOKEN',
    'LLAMADUCT_CONFIG',
    'LLAMADUCT_UPSTREAM',
    'LLAMADUCT_LISTEN',
    'OLLAMA_HOST',
    'OLLAMA_NUM_PARALLEL',
  ]) {
    assert.ok(stdout.includes(word), word);
  }
});

test('an invalid command line prints one line on standard error and exits with 2', async () => {
  const stderr = "llamaduct: Unknown option '--foo' (see llamaduct --help)\n";
  assert.deepEqual(await run(['--foo']), { code: 2, stdout: '', stderr });
});
