import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync, mkdirSync } from 'node:fs';
import { type IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, after, suite, test } from 'node:test';
import { type ConnectionOptions, type TLSSocket, connect } from 'node:tls';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { selfSigned } from '../images/certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'llamaduct-tls-'));
after(() => rmSync(folder, { recursive: true }));

const first = selfSigned('localhost');
const second = selfSigned('localhost');

/** Writes a certificate, and returns the settings with its paths. */
function files(name: string, { cert, key }: { cert: string; key: string }): { cert: string; key: string } {
  const paths = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  writeFileSync(paths.cert, cert);
  writeFileSync(paths.key, key);
  return paths;
}

function serialOf({ cert }: { cert: string }): string {
  return new X509Certificate(cert).serialNumber;
}

/** A secured connection to the gateway. */
async function secured({ url }: TestGateway, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const port = Number(new URL(url).port);
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false, ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function serialServed(gateway: TestGateway): Promise<string> {
  const socket = await secured(gateway);
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** An agent that keeps one connection, and trusts only the first certificate. */
function oneConnection(t: TestContext): Agent {
  const agent = new Agent({ ca: first.cert, keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  return agent;
}

/** Sends one request over an agent's connection. */
async function ask({ url }: TestGateway, agent: Agent, path: string, body?: string): Promise<IncomingMessage> {
  const { port } = new URL(url);
  const headers = { authorization: `Bearer ${secret}` };
  const sent = request({
    host: 'localhost',
    port,
    path,
    agent,
    headers,
    family: 4,
    method: body === undefined ? 'GET' : 'POST',
  });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

const streamed = JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], stream: true });

suite('TLS on the listener', () => {
  test('serves HTTP/1.1 with the certificate, streams, and keeps the connection', async (t) => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { tls: files('plain', first) });
    assert.match(gateway.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const agent = oneConnection(t);
    for (let round = 0; round < 2; round += 1) {
      const response = await ask(gateway, agent, '/v1/chat/completions', streamed);
      assert.equal(response.httpVersion, '1.1');
      assert.match(await textOf(response), /data: \[DONE\]\n\n$/);
    }
    const socket = await secured(gateway, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(socket.alpnProtocol, 'http/1.1');
    socket.destroy();
    assert.equal(gateway.log.find(({ status }) => status === 200)?.['client'], '127.0.0.1');
  });

  test('refuses versions older than the configured one', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const older = async (gateway: TestGateway, maxVersion: 'TLSv1.1' | 'TLSv1.2'): Promise<string> => {
      const options = { maxVersion, minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
      return await secured(gateway, options).then(
        (socket) => socket.destroy().getProtocol() ?? 'closed',
        ({ code }: NodeJS.ErrnoException) => String(code),
      );
    };
    for (const [version, refused] of [
      [undefined, 'TLSv1.1'],
      [1.2, 'TLSv1.1'],
      ['TLSv1.3', 'TLSv1.2'],
    ] as const) {
      const tls = { ...files('versions', first), ...(version !== undefined && { min_version: version }) };
      await using gateway = await testGateway(upstream, { tls });
      assert.match(await older(gateway, refused), /ALERT_PROTOCOL_VERSION/, String(version));
      const socket = await secured(gateway);
      assert.equal(socket.getProtocol(), 'TLSv1.3');
      socket.destroy();
    }
  });

  test('uses a renewed certificate without dropping connections or streams', async (t) => {
    let finish = (): void => undefined;
    await using upstream = await fakeUpstream((res) => {
      ndjson(res).write(chatLine('Hello'));
      finish = () => res.end(doneLine());
    });
    const tls = files('renewed', first);
    await using gateway = await testGateway(upstream, { tls });
    const agent = oneConnection(t);
    const response = await ask(gateway, agent, '/v1/chat/completions', streamed);
    const [begun] = (await once(response, 'data')) as [Buffer];
    assert.match(begun.toString(), /Hello|role/);
    files('renewed', second);
    await until('the second certificate', async () => (await serialServed(gateway)) === serialOf(second));
    finish();
    assert.match(await textOf(response), /data: \[DONE\]\n\n$/);
    // The agent does not trust the second certificate: this is still the first connection.
    assert.equal((await ask(gateway, agent, '/healthz')).resume().statusCode, 200);
    assert.ok(gateway.log.some(({ msg }) => msg === 'TLS certificate reloaded'));
  });

  test('follows the links of a mounted Kubernetes secret', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const mount = join(folder, 'mount');
    const publish = (version: string, { cert, key }: { cert: string; key: string }): void => {
      mkdirSync(join(mount, version), { recursive: true });
      writeFileSync(join(mount, version, 'tls.crt'), cert);
      writeFileSync(join(mount, version, 'tls.key'), key);
      symlinkSync(version, join(mount, '..data_tmp'));
      renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    };
    publish('..1', first);
    for (const file of ['tls.crt', 'tls.key']) symlinkSync(join('..data', file), join(mount, file));
    await using gateway = await testGateway(upstream, {
      tls: { cert: join(mount, 'tls.crt'), key: join(mount, 'tls.key') },
    });
    publish('..2', second);
    await until('the second certificate', async () => (await serialServed(gateway)) === serialOf(second));
  });

  test('keeps the certificate when the new files are damaged, missing or do not belong together', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const tls = files('damaged', first);
    await using gateway = await testGateway(upstream, { tls });
    const failures = (): unknown[] =>
      gateway.log.filter(({ msg }) => String(msg).startsWith('TLS certificate not reloaded'));
    for (const [index, damage] of [
      () => writeFileSync(tls.key, second.key),
      () => writeFileSync(tls.cert, 'nonsense'),
      // A file that is missing is not a change, so the signal must ask for it.
      () => unlinkSync(tls.cert),
    ].entries()) {
      damage();
      if (index === 2) await gateway.reload(() => Promise.reject(new Error('no configuration')));
      await until(`failure ${index}`, () => failures().length > index);
      assert.equal(await serialServed(gateway), serialOf(first));
    }
    assert.ok(!JSON.stringify(failures()).includes('PRIVATE'));
    files('damaged', second);
    await until('the second certificate', async () => (await serialServed(gateway)) === serialOf(second));
  });

  test('that cannot be used at the start is an error that names the setting and shows no key', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const good = files('good', first);
    const other = files('other', second);
    const missing = join(folder, 'missing');
    for (const [tls, message] of [
      [{ cert: missing, key: good.key }, new RegExp(`^tls\\.cert: cannot read ${missing} \\(ENOENT\\)$`)],
      [{ cert: good.cert, key: missing }, /^tls\.key: cannot read the file \(ENOENT\)$/],
      [{ cert: good.cert, key: other.key }, /^tls\.key: not the private key of the certificate/],
      [{ cert: good.key, key: good.key }, /^tls\.cert: .* contains no certificate in PEM/],
      [{ cert: good.cert, key: good.cert }, /^tls\.key: not the private key of the certificate/],
    ] as const) {
      await assert.rejects(testGateway(upstream, { tls }), { name: 'ConfigError', message });
    }
  });

  test('plain HTTP, garbage and handshakes that never end hold up neither others nor the shutdown', async (t) => {
    await using upstream = await fakeUpstream(plainAnswer());
    const gateway = await testGateway(upstream, { tls: files('garbage', first) });
    const port = Number(new URL(gateway.url).port);
    const received: string[] = [];
    const sockets = ['', 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n', '\u0016\u0003\u0001', 'x'.repeat(100)].map(
      (bytes) => {
        const socket = connectPlain(port, '127.0.0.1');
        socket.on('error', () => undefined).on('data', (data: Buffer) => received.push(data.toString('latin1')));
        socket.write(bytes);
        return socket;
      },
    );
    const agent = oneConnection(t);
    assert.equal((await ask(gateway, agent, '/healthz')).resume().statusCode, 200);
    const closed = sockets.map(async (socket) => socket.closed || (await once(socket, 'close')));
    await gateway.close();
    await Promise.all(closed);
    assert.ok(received.every((text) => !text.includes('HTTP/')));
  });
});

test('over TLS, pipelined requests end after a refusal, and an idle connection makes room for a new one', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream, {
    tls: files('pipelined', first),
    limits: { connections_per_address: 2 },
  });
  const refused = await secured(gateway);
  let text = '';
  refused.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  refused.write('GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200));
  await once(refused, 'close');
  assert.equal(text.match(/HTTP\/1\.1 401 /g)?.length, 1);
  const silent = (await secured(gateway)).resume();
  const closed = once(silent, 'close');
  const others = [await secured(gateway), await secured(gateway)];
  await closed;
  for (const socket of others) {
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await until('an answer', () => answer.startsWith('HTTP/1.1 200 '));
    socket.destroy();
  }
});
