import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { nativeRoutes } from '../../src/protocols/index.ts';
import { readTarget as read } from '../../src/http/paths.ts';
import { readGoogleTarget } from '../../src/protocols/google/target.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { check } from './settings.ts';
import { blob, mayPass, method, passedThrough, target } from './targets.ts';

function readTarget(target: string, keysInPath: boolean): ReturnType<typeof read> {
  return read(target, { keysInPath, readers: [readGoogleTarget], header: () => undefined });
}

/** Sends a request byte for byte. @returns its response, with status 0 when it is not HTTP */
async function raw(url: string, verb: string, path: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const head = `${verb} ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}`;
  socket.write(Buffer.from(head, 'utf8'));
  socket.setTimeout(2_000, () => socket.destroy(new Error('no response')));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0), text };
}

suite('fuzz: paths', () => {
  test('the list in this file has every native route of Ollama', () => {
    const routes = nativeRoutes.ollama.map(
      ({ method: verb, path }) => `${verb} ${path.replace(/:digest.*/, blob.slice(11))}`,
    );
    const listed = [...Object.entries(passedThrough), [blob, ['GET', 'POST']] as const].flatMap(([path, verbs]) =>
      verbs.filter((verb) => verb !== 'HEAD').map((verb) => `${verb} ${path}`),
    );
    assert.deepEqual(listed.toSorted(), routes.toSorted());
  });

  test('a path that is routed has one interpretation: it is equal to its parsed path', async () => {
    await check(
      0.1,
      fc.property(target, (text) => {
        const { path } = readTarget(text, true);
        if (path === undefined) return;
        assert.equal(new URL(path, 'http://elsewhere').pathname, path);
        assert.equal(new URL(path, 'http://elsewhere').host, 'elsewhere');
        assert.doesNotMatch(path, /\/\/|\\|\/\.{1,2}(\/|$)|[\s#]/);
        if (path.includes('%')) assert.match(path, /^\/v1(?:beta)?\/models\//);
      }),
    );
  });

  test('only listed targets reach the upstream, and none gives a 5xx', async () => {
    await using upstream = await fakeUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"models":[]}');
    });
    await using gateway = await testGateway(upstream, { log_level: 'silent' });
    let reached = 0;
    await check(
      0.02,
      fc.asyncProperty(method, target, async (verb, text) => {
        // These would end the request line or the head.
        const line = text.replaceAll(/[\r\n ]/g, '');
        upstream.requests.length = 0;
        const { status, text: answer } = await raw(gateway.url, verb, line);
        assert.ok(status >= 200 && status < 500, `${status}: ${answer.slice(0, 300)}`);
        const path = readTarget(line, false).path ?? line;
        for (const { method: sent, url } of upstream.requests) {
          assert.ok(mayPass(sent, url), `${verb} ${line} became ${sent} ${url}`);
          reached += 1;
        }
        // Translations and lists send requests of their own.
        if (path.startsWith('/api/') && status < 400) assert.ok(mayPass(verb, path), `${verb} ${path}`);
      }),
    );
    assert.ok(reached > 0, 'no target reached the upstream, so that the test shows nothing');
    const internalErrors = gateway.log.filter(({ error }) => error === 'internal_error');
    assert.deepEqual(internalErrors, []);
  });
});
