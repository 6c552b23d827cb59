import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { run, start, startLlamaduct } from '../cli/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-socket-'));
after(() => rmSync(folder, { recursive: true }));

async function statusOf(socketPath: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  const sent = request({ socketPath, path, headers, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

suite('a Unix socket', () => {
  test('is served with the configured permissions, and removed at the end', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    for (const [mode, expected] of [
      [undefined, 0o660],
      ['0600', 0o600],
      ['666', 0o666],
    ] as const) {
      const path = join(folder, 'modes.sock');
      const before = process.umask();
      const gateway = await testGateway(upstream, {
        listen: `unix:${path}`,
        access: 'open',
        ...(mode !== undefined && { socket_mode: mode }),
      });
      assert.equal(gateway.url, `unix:${path}`);
      assert.equal(statSync(path).mode & 0o777, expected);
      assert.equal(process.umask(), before);
      // No web page can connect to it, so its proxy may pass on any host name.
      assert.equal(await statusOf(path, '/v1/models', { host: 'llm.example.org' }), 200);
      await gateway.close();
      assert.ok(!existsSync(path));
      assert.equal(gateway.log.find(({ route }) => route === '/v1/models')?.['client'], 'unix');
    }
  });

  test('that a killed process left is replaced', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const path = join(folder, 'stale.sock');
    const leave = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await start(process.execPath, ['--eval', leave]).ended;
    assert.ok(statSync(path).isSocket());
    await using gateway = await testGateway(upstream, { listen: `unix:${path}`, access: 'open' });
    assert.equal(await statusOf(path, '/healthz'), 200);
    assert.equal(gateway.url, `unix:${path}`);
  });

  test('on which another process listens, or a file of another kind, is left alone', async () => {
    const path = join(folder, 'taken.sock');
    const other = createServer((socket) => socket.end()).listen(path);
    await once(other, 'listening');
    assert.deepEqual(await run(['--listen', `unix:${path}`, '--upstream', 'http://127.0.0.1:1']), {
      code: 1,
      stdout: '',
      stderr: `llamaduct: cannot listen on ${path}: the address is in use\n`,
    });
    const file = join(folder, 'file.sock');
    writeFileSync(file, 'content');
    const link = join(folder, 'link.sock');
    symlinkSync(path, link);
    for (const kept of [file, link]) {
      const { code, stderr } = await run(['--listen', `unix:${kept}`, '--upstream', 'http://127.0.0.1:1']);
      assert.equal(code, 1);
      assert.equal(stderr, `llamaduct: cannot listen on ${kept}: the file exists and is not a socket\n`);
      assert.ok(existsSync(kept));
    }
    other.close();
  });

  test('in a folder that is missing is an error in one line', async () => {
    const missing = join(folder, 'missing', 'a.sock');
    const { code, stderr } = await run(['--listen', `unix:${missing}`, '--upstream', 'http://127.0.0.1:1']);
    assert.deepEqual(
      [code, stderr],
      [1, `llamaduct: cannot listen on ${missing}: permission denied (or the folder does not exist)\n`],
    );
  });

  test('without a file gets a snippet for curl that works', async (t) => {
    const path = join(folder, 'curl.sock');
    const llamaduct = startLlamaduct(['--listen', `unix:${path}`]);
    const [, snippet = ''] = await llamaduct.until(/# curl\n(.*)\n/);
    const { code, stdout, stderr } = await start('sh', ['-c', snippet]).ended;
    if (code === 127) t.diagnostic('curl is not installed: its snippet was not run');
    else assert.match(stdout, /data: \[DONE\]/, stderr);
    llamaduct.kill('SIGTERM');
    const ended = await llamaduct.ended;
    assert.match(ended.stdout, new RegExp(`^llamaduct is ready on unix:${path}\\n`));
    assert.doesNotMatch(ended.stdout, /SDK/);
  });
});
