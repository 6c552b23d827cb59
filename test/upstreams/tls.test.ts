import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { type ServerOptions, createServer } from 'node:https';
import { type AddressInfo, createServer as createPlainServer } from 'node:net';
import { suite, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { UpstreamTls, Upstreams } from '../../src/config/schema.ts';
import { tlsFault } from '../../src/upstreams/http/tls-fault.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { doneLine, plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { selfSigned } from '../images/certificate.ts';

const own = selfSigned('localhost');
const stranger = selfSigned('localhost');
const elsewhere = selfSigned('gpu1.example.org');
const client = selfSigned('llamaduct');

interface SecureUpstream extends AsyncDisposable {
  readonly url: string;
  readonly headers: IncomingHttpHeaders[];
  /** Common names of the client certificates that were presented. */
  readonly clients: unknown[];
}

/** A fake Ollama behind TLS, with one model. */
async function secureUpstream(options: ServerOptions): Promise<SecureUpstream> {
  const headers: IncomingHttpHeaders[] = [];
  const clients: unknown[] = [];
  const server = createServer(options, (req, res) => {
    headers.push(req.headers);
    const { subject } = (req.socket as TLSSocket).getPeerCertificate();
    clients.push((subject as { CN?: string } | undefined)?.CN);
    req.resume();
    if (req.url === '/api/tags') res.end('{"models":[{"name":"scripted-plain:latest"}]}');
    else res.end(doneLine());
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    headers,
    clients,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

async function gatewayTo(url: string, tls?: UpstreamTls): Promise<TestGateway> {
  const upstreams: Upstreams = [{ name: 'gpu', kind: 'ollama', url, ...(tls !== undefined && { tls }) }];
  return await testGateway(upstreams);
}

interface Refused {
  readonly status: number;
  readonly error: { readonly message: string; readonly code: string };
}

async function refused(gateway: TestGateway): Promise<Refused> {
  const response = await gateway.chat({ stream: false });
  const { error } = (await response.json()) as Pick<Refused, 'error'>;
  return { status: response.status, error };
}

suite('TLS to an upstream', () => {
  test('accepts a certificate of the configured authority', async () => {
    await using upstream = await secureUpstream(own);
    await using gateway = await gatewayTo(upstream.url, { ca: own.cert });
    assert.equal((await gateway.chat({ stream: false })).status, 200);
    assert.equal(await gateway.metric('llamaduct_upstream_up{upstream="gpu"}'), 1);
  });

  test('accepts any certificate only when told to', async () => {
    await using upstream = await secureUpstream(elsewhere);
    await using gateway = await gatewayTo(upstream.url, { rejectUnauthorized: false });
    assert.equal((await gateway.chat({ stream: false })).status, 200);
  });

  test('presents the client certificate', async () => {
    await using upstream = await secureUpstream({ ...own, requestCert: true, ca: client.cert });
    await using gateway = await gatewayTo(upstream.url, { ca: own.cert, ...client });
    assert.equal((await gateway.chat({ stream: false })).status, 200);
    assert.deepEqual([...new Set(upstream.clients)], ['llamaduct']);
  });

  const faults: readonly [
    name: string,
    server: ServerOptions,
    tls: UpstreamTls | undefined,
    message: RegExp,
    cause: string,
  ][] = [
    ['a self-signed certificate', own, undefined, /certificate .* is self-signed/, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['another authority', own, { ca: stranger.cert }, /certificate .* is self-signed/, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [
      'another host name',
      elsewhere,
      { ca: elsewhere.cert },
      /certificate .* is for another host name/,
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    [
      'a version of TLS that is too old',
      { ...own, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
      { ca: own.cert },
      /The TLS handshake with the upstream failed/,
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    ],
  ];
  for (const [name, server, tls, message, cause] of faults) {
    test(`${name} is named in the error, the log and the metrics`, async () => {
      await using upstream = await secureUpstream(server);
      await using gateway = await gatewayTo(upstream.url, tls);
      const { status, error } = await refused(gateway);
      assert.deepEqual([status, error.code], [502, 'upstream_tls_error']);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /localhost|127\.0\.0\.1|::1|gpu1/);
      const line = gateway.log.find(({ msg, route }) => msg === 'request' && route === '/v1/chat/completions');
      assert.deepEqual([line?.['error'], line?.['cause']], ['upstream_tls_error', cause]);
      assert.equal(await gateway.metric('llamaduct_upstream_up{upstream="gpu"}'), 0);
      assert.equal(
        await gateway.metric('llamaduct_upstream_errors_total{upstream="gpu",code="upstream_tls_error"}'),
        1,
      );
      assert.deepEqual(upstream.headers, []);
    });
  }

  test('a server that speaks no TLS is named, too', async () => {
    const plain = createPlainServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')).listen(0, 'localhost');
    await once(plain, 'listening');
    await using gateway = await gatewayTo(`https://localhost:${(plain.address() as AddressInfo).port}`);
    const { status, error } = await refused(gateway);
    assert.deepEqual([status, error.code], [502, 'upstream_tls_error']);
    assert.match(error.message, /^The TLS handshake with the upstream failed \(\w+\)\.$/);
    plain.close();
  });

  test('requests move to another server, and the one with the wrong certificate is ejected', async () => {
    await using broken = await secureUpstream(own);
    await using good = await fakeUpstream(plainAnswer());
    const upstreams: Upstreams = [
      { name: 'broken', kind: 'ollama', url: broken.url, weight: 100 },
      { name: 'good', kind: 'ollama', url: good.url },
    ];
    await using gateway = await testGateway(upstreams, { retries: { attempts: 2 }, health: { failures: 1 } });
    for (let round = 0; round < 4; round += 1) assert.equal((await gateway.chat({ stream: false })).status, 200);
    assert.equal(await gateway.metric('llamaduct_upstream_ejected{upstream="broken"}'), 1);
  });

  test('other errors are not taken for TLS errors', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET', 'ENOTFOUND', 'HPE_INVALID_CONSTANT']) {
      assert.equal(tlsFault(Object.assign(new Error('x'), { code })), undefined);
    }
    assert.equal(tlsFault(new Error('certificate')), undefined);
    assert.equal(tlsFault('CERT_HAS_EXPIRED'), undefined);
    assert.match(tlsFault(Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' })) ?? '', /has expired/);
    assert.match(tlsFault(Object.assign(new Error('x'), { code: 'INVALID_PURPOSE' })) ?? '', /is not accepted/);
  });
});

suite("the operator's headers", () => {
  test('go to the upstream with every request and are in no answer, log line or metric', async () => {
    const secret = 'cf-access-secret-of-the-operator';
    await using upstream = await fakeUpstream((res, request) => {
      if (request.url !== '/api/show') return plainAnswer()(res, request);
      // An upstream that repeats what it was sent.
      res.writeHead(500).end(JSON.stringify({ error: 'refused' }));
    });
    const headers = { 'cf-access-client-id': 'id.access', 'cf-access-client-secret': secret };
    const url = `${upstream.url.replace('//', '//me:password@')}/prefix`;
    await using gateway = await testGateway([{ name: 'gpu', kind: 'ollama', url, headers }]);
    const told: string[] = [];
    for (const path of ['/v1/chat/completions', '/api/chat', '/api/show']) {
      const body = JSON.stringify({
        model: 'scripted-plain',
        messages: [{ role: 'user', content: 'hi' }],
        stream: false,
      });
      const sent = { 'cf-access-client-secret': 'of-the-client', 'content-type': 'application/json' };
      const response = await gateway.fetch(path, { method: 'POST', body, headers: sent });
      told.push(JSON.stringify([...response.headers]), await response.text());
    }
    assert.ok(upstream.requests.length >= 3);
    for (const request of upstream.requests) {
      assert.equal(request.headers['cf-access-client-id'], 'id.access');
      assert.equal(request.headers['cf-access-client-secret'], secret);
      assert.match(request.headers.authorization ?? '', /^Basic /);
      assert.match(request.url, /^\/prefix\/api\//);
    }
    told.push(JSON.stringify(gateway.log), await (await gateway.fetch('/metrics')).text());
    assert.ok(!told.join().includes(secret));
  });
});
