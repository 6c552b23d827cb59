import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { silent } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { run, startLlamaduct } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-once-'));
after(() => rmSync(folder, { recursive: true }));

test('--once prints the SSE frames as they arrive, then the text', async () => {
  const llamaduct = startLlamaduct(['--once', 'a question']);
  const { input: first } = await llamaduct.until(/^data: /);
  assert.doesNotMatch(first, /"finish_reason":"stop"/);
  const { code, stdout, stderr } = await llamaduct.ended;
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^(data: \{.*\}\n\n){20,}: server-timing: .*\n\ndata: \[DONE\]\n\n---\nYou wrote: “a question” I am .*\n$/,
  );
  assert.match(stderr, /^llamaduct: no Ollama at http:\/\/127\.0\.0\.1:1; .*\n$/);
});

test('--once uses the configuration, and a free port when the configured addresses are in use', async () => {
  await using upstream = await fakeUpstream((res) => void ndjson(res).end(chatLine('Hi') + doneLine()));
  await using other = await fakeUpstream(silent);
  const address = new URL(other.url).host;
  const file = join(folder, 'llamaduct.yaml');
  writeFileSync(
    file,
    `listen: ${address}\nmetrics: {listen: "${address}"}\nupstreams: [{url: "${upstream.url}"}]\nkeys: [{name: a, hash: "${hashSecret('x')}"}]\n`,
  );
  const { code, stdout, stderr } = await run(['--config', file, '--once', 'hello']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /---\nHi\n$/);
  const [sent, ...others] = upstream.requests.map(({ body }) => JSON.parse(body) as { messages: unknown });
  assert.deepEqual([sent?.messages, others], [[{ role: 'user', content: 'hello' }], []]);

  const explicit = await run(['--config', file, '--once', 'hello', '--listen', address]);
  assert.equal(explicit.code, 1);
  assert.match(explicit.stderr, /address is in use/);
});

test('--once prints one line when the upstream is unreachable or has no models', async () => {
  const unreachable = await run(['--once', 'hello', '--upstream', 'http://127.0.0.1:1']);
  assert.deepEqual([unreachable.code, unreachable.stdout], [1, '']);
  assert.match(unreachable.stderr, /^llamaduct: .+\n$/m);

  await using empty = await fakeUpstream(() => undefined, []);
  const { code, stderr } = await run(['--once', 'hello', '--upstream', empty.url]);
  assert.deepEqual([code, stderr], [1, 'llamaduct: the upstream has no models; install one with `ollama pull`\n']);
});

test('--once fails when the response is incomplete', async () => {
  await using upstream = await fakeUpstream((res) => {
    ndjson(res).write(chatLine('Hel'));
    setImmediate(() => res.destroy());
  });
  const { code, stdout, stderr } = await run(['--once', 'hello', '--upstream', upstream.url]);
  assert.equal(code, 1);
  assert.match(stdout, /data: \{"error":/);
  assert.match(stderr, /llamaduct: the response ended before it was complete\n$/);
});

test('--once prints the error of the upstream', async () => {
  await using upstream = await fakeUpstream((res) => void res.writeHead(500).end('{"error":"no room for this model"}'));
  const { code, stderr } = await run(['--once', 'hello', '--upstream', upstream.url]);
  assert.equal(code, 1);
  assert.match(stderr, /llamaduct: 50\d .*no room for this model/);
});
