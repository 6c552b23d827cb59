import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { refuseMalformed } from '../../src/app.ts';
import { type Listener, listen } from '../../src/http/listener.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const body = '{"model":"scripted-plain:latest","messages":[{"role":"user","content":"hi"}],"stream":false}';
const key = `host: x\r\nauthorization: Bearer ${secret}\r\n`;
/** A request that would be smuggled in if two servers disagreed about the end of the one before. */
const smuggled = `POST /api/chat HTTP/1.1\r\n${key}content-length: ${body.length}\r\n\r\n${body}`;
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

interface RawResponses {
  /** Status of each response on the connection. */
  readonly statuses: number[];
  readonly text: string;
  /** True when the server closed the connection. */
  readonly closed: boolean;
}

async function open(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes unchanged, and reads until the connection is closed, or for `patience` milliseconds. */
async function raw(url: string, bytes: string | Buffer, patience = 3_000): Promise<RawResponses> {
  const socket = await open(url);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  const closed = once(socket, 'close').then(() => true);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  const wasClosed = await Promise.race([closed, sleep(patience, false, { ref: false })]);
  socket.destroy();
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { statuses, text, closed: wasClosed };
}

const post = (headers: string, rest: string, target = '/api/chat', version = '1.1'): string =>
  `POST ${target} HTTP/${version}\r\n${key}${headers}\r\n${rest}`;

/** Requests that are refused and their connection closed, with the allowed statuses. */
const malformed: readonly [name: string, bytes: string, statuses: number[]][] = [
  [
    'a Content-Length before chunked',
    post(`content-length: 5\r\ntransfer-encoding: chunked\r\n`, `0\r\n\r\n${smuggled}`),
    [400],
  ],
  [
    'chunked before a Content-Length',
    post(`transfer-encoding: chunked\r\ncontent-length: 5\r\n`, `0\r\n\r\n${smuggled}`),
    [400],
  ],
  ['two Content-Lengths', post(`content-length: 0\r\ncontent-length: ${smuggled.length}\r\n`, smuggled), [400]],
  [
    'the same Content-Length twice',
    post(`content-length: ${body.length}\r\ncontent-length: ${body.length}\r\n`, body),
    [400],
  ],
  ['a list of Content-Lengths', post(`content-length: 0, ${smuggled.length}\r\n`, smuggled), [400]],
  ['a negative Content-Length', post('content-length: -1\r\n', smuggled), [400]],
  ['a signed Content-Length', post(`content-length: +${body.length}\r\n`, body), [400]],
  ['a hexadecimal Content-Length', post('content-length: 0x10\r\n', smuggled), [400]],
  ['a Content-Length of 23 digits', post('content-length: 99999999999999999999999\r\n', smuggled), [400]],
  ['chunked in a folded header', post('transfer-encoding:\r\n chunked\r\n', chunked), [400]],
  ['a folded header', post(`x-folded: a\r\n b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a space before the colon', post('transfer-encoding : chunked\r\n', chunked), [400]],
  ['a tab in front of a header', post('\ttransfer-encoding: chunked\r\n', chunked), [400]],
  ['chunked twice', post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', chunked), [400, 501]],
  ['chunked before another coding', post('transfer-encoding: chunked, identity\r\n', chunked), [400]],
  ['another coding before chunked', post('transfer-encoding: gzip, chunked\r\n', chunked), [501]],
  ['another coding', post('transfer-encoding: identity\r\n', chunked), [501]],
  ['an unknown coding', post('transfer-encoding: xchunked\r\n', chunked), [501]],
  ['chunked behind a vertical tab', post('transfer-encoding: \x0bchunked\r\n', chunked), [400]],
  ['a chunk size that is no number', post('transfer-encoding: chunked\r\n', `zz\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['a negative chunk size', post('transfer-encoding: chunked\r\n', `-1\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['a chunk without its line end', post('transfer-encoding: chunked\r\n', `2\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['chunks with bare LF as line end', post('transfer-encoding: chunked\r\n', chunked.replaceAll('\r\n', '\n')), [400]],
  ['a head with bare LF as line end', smuggled.replaceAll('\r\n', '\n'), [400]],
  ['one header with bare LF as line end', post(`x-a: b\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a bare CR in a header', post(`x-a: b\rtransfer-encoding: chunked\r\n`, body), [400]],
  ['a NUL in a header', post(`x-a: b\0c\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a NUL in the name of a header', post(`x-\0a: b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a NUL in the target', post(`content-length: ${body.length}\r\n`, body, '/api/ch\0at'), [400]],
  ['a header without a colon', post(`x-a\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a header without a name', post(`: b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a space in the target', post(`content-length: ${body.length}\r\n`, body, '/api/chat /x'), [400]],
  ['an unknown HTTP version', post(`content-length: ${body.length}\r\n`, body, '/api/chat', '3.7'), [400]],
  ['HTTP/0.9', 'GET /api/tags\r\n\r\n', [400]],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
  ['no host', `GET /api/tags HTTP/1.1\r\nauthorization: Bearer ${secret}\r\n\r\n`, [400]],
  ['an unknown method', `BREW /api/chat HTTP/1.1\r\n${key}\r\n`, [400]],
  ['CONNECT', `CONNECT ollama:11434 HTTP/1.1\r\n${key}\r\n${smuggled}`, [405]],
  ['CONNECT to a path', `CONNECT /api/chat HTTP/1.1\r\n${key}\r\n${smuggled}`, [400, 405]],
  ['a head of 20 KiB', post(`x-a: ${'a'.repeat(20_000)}\r\n`, ''), [431]],
  ['a target of 20 KiB', post('', '', `/api/chat?${'a'.repeat(20_000)}`), [431]],
  ['300 headers', post(`${'x-a: b\r\n'.repeat(300)}content-length: ${body.length}\r\n`, body), [431]],
  ['an unknown expectation', post(`expect: 200-maybe\r\ncontent-length: ${body.length}\r\n`, body), [417]],
];

suite('a malformed request', () => {
  test('is refused, its connection is closed, and nothing reaches the upstream', async (t) => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const [name, bytes, expected] of malformed) {
      await t.test(name, async () => {
        const { statuses, text, closed } = await raw(gateway.url, bytes);
        assert.equal(statuses.length, 1, text);
        assert.ok(expected.includes(statuses[0] ?? 0), text);
        assert.ok(closed, 'the connection stays open');
        assert.match(text, /\r\nconnection: close\r\n/i);
        const json = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { error: { message: string } };
        assert.ok(json.error.message.length > 10);
        assert.deepEqual(upstream.requests, []);
      });
    }
    assert.equal(await gateway.metric('llamaduct_in_flight'), 1);
    assert.doesNotMatch(JSON.stringify(gateway.log), new RegExp(secret));
  });

  test('is refused after a complete request on the same connection', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { statuses, closed } = await raw(gateway.url, `${smuggled}GARBAGE\r\n\r\n`);
    assert.ok(closed);
    assert.ok(statuses.length <= 1);
    assert.ok(upstream.requests.length <= 1);
  });

  test('begins where a body goes on after its Content-Length, and is a 400', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { statuses, closed } = await raw(
      gateway.url,
      `POST /v1/nothing HTTP/1.1\r\n${key}content-length: 2\r\n\r\n{}${body}`,
    );
    assert.deepEqual(statuses.at(-1), 400);
    assert.ok(closed);
    assert.deepEqual(upstream.requests, []);
  });
});

suite('a request that HTTP allows', () => {
  const closing = 'connection: close\r\n';

  test('can be pipelined with another one on the same connection', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const get = `GET /v1/models HTTP/1.1\r\n${key}`;
    const { statuses } = await raw(gateway.url, `${get}\r\n${get}${closing}\r\n`);
    assert.deepEqual(statuses, [200, 200]);
  });

  test('is a 404 with an absolute target, which is not proxied', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const target of [`${upstream.url}/api/chat`, 'http://x/api/chat', 'https://x/api/chat']) {
      const headers = `${closing}content-length: ${body.length}\r\n`;
      const { statuses } = await raw(gateway.url, post(headers, body, target));
      assert.deepEqual(statuses, [404], target);
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('can wait for the answer to `Expect: 100-continue`', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const headers = `${closing}expect: 100-continue\r\ncontent-length: ${body.length}\r\n`;
    const { statuses } = await raw(gateway.url, post(headers, body));
    assert.deepEqual(statuses, [100, 200]);
    assert.equal(upstream.requests[0]?.headers['expect'], undefined);
  });

  test('can ask for an upgrade, also to h2c, which is ignored: nothing is tunnelled', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const protocol of ['websocket', 'h2c']) {
      const upgrade = `connection: upgrade, http2-settings, close\r\nupgrade: ${protocol}\r\nhttp2-settings: AAMAAABk\r\n`;
      const headers = `${upgrade}content-length: ${body.length}\r\n`;
      const { statuses, text } = await raw(gateway.url, post(headers, body));
      assert.deepEqual(statuses, [200], protocol);
      assert.doesNotMatch(text, /^upgrade:/im);
    }
    assert.deepEqual(
      upstream.requests.map(({ headers }) => [headers.upgrade, headers['http2-settings']]),
      [
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
  });

  test('can be HTTP/1.0: the connection is closed after the response', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { statuses, closed } = await raw(
      gateway.url,
      post(`content-length: ${body.length}\r\n`, body, '/api/chat', '1.0'),
    );
    assert.deepEqual([statuses, closed], [[200], true]);
  });

  test('can be the check of a load balancer, of HTTP/1.0 and without a Host header or a key', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const head of ['GET /healthz', 'HEAD /healthz', 'OPTIONS /healthz', 'OPTIONS /readyz', 'OPTIONS /']) {
      assert.deepEqual((await raw(gateway.url, `${head} HTTP/1.0\r\n\r\n`)).statuses, [200], head);
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('can have chunk extensions and trailers, which are not passed on', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const chunks = `${body.length.toString(16)};a=b\r\n${body}\r\n0\r\nx-trailer: 1\r\nauthorization: Bearer other\r\n\r\n`;
    const { statuses } = await raw(gateway.url, post(`${closing}transfer-encoding: Chunked\r\n`, chunks));
    assert.deepEqual(statuses, [200]);
    const [seen] = upstream.requests;
    assert.equal(seen?.body, body);
    assert.deepEqual([seen?.headers['x-trailer'], seen?.headers.authorization], [undefined, undefined]);
  });
});

suite('hop-by-hop headers', () => {
  test('are not passed on in either direction, nor are other headers that llamaduct does not choose', async () => {
    await using upstream = await fakeUpstream((res, request) => {
      res.setHeader('set-cookie', 'a=b');
      res.setHeader('proxy-authenticate', 'Basic');
      res.setHeader('keep-alive', 'timeout=77');
      res.setHeader('trailer', 'x-hop');
      res.setHeader('x-hop', '1');
      res.setHeader('connection', 'x-hop');
      res.setHeader('server', 'somebody');
      return plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream);
    const hops = [
      'connection: close, authorization, x-hop, content-type',
      'keep-alive: timeout=99',
      'proxy-authorization: Basic c2VjcmV0',
      'proxy-connection: keep-alive',
      'te: trailers, deflate',
      'trailer: x-hop',
      'x-hop: 1',
      'cookie: a=b',
      'x-forwarded-for: 1.2.3.4',
      'forwarded: for=1.2.3.4',
      'x-http-method-override: DELETE',
      'content-type: application/json',
    ].join('\r\n');
    for (const target of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
      const whole = `${body.slice(0, -1)},"max_tokens":9}`;
      const headers = `${hops}\r\ncontent-length: ${whole.length}\r\n`;
      const { statuses, text } = await raw(gateway.url, post(headers, whole, target));
      assert.deepEqual(statuses, [200], text);
      const head = text.slice(0, text.indexOf('\r\n\r\n'));
      assert.doesNotMatch(head, /set-cookie|proxy-authenticate|timeout=77|trailer|x-hop|somebody/i, target);
    }
    const sent = new Set(upstream.requests.flatMap(({ headers }) => Object.keys(headers)));
    for (const name of ['accept', 'content-type', 'content-length', 'host', 'connection', 'transfer-encoding']) {
      sent.delete(name);
    }
    assert.deepEqual([...sent], []);
  });
});

suite('slow connections', { concurrency: true }, () => {
  const timeouts = { headersTimeout: 150, connectionsCheckingInterval: 20 };
  const address = { host: '127.0.0.1', port: 0 };
  const listening = async (options: Parameters<typeof listen>[3] = {}): Promise<Listener> =>
    await listen(() => new Response('hello'), address, refuseMalformed, options);

  test('are closed without a request', async () => {
    const listener = await listening({ timeouts });
    const { closed, statuses } = await raw(listener.url, '');
    await listener.close(0);
    assert.ok(closed);
    assert.ok(statuses.length === 0 || statuses[0] === 408);
  });

  test('get a 408 when the headers arrive byte by byte', async () => {
    const listener = await listening({ timeouts });
    const socket = await open(listener.url);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    const timer = setInterval(() => socket.write('a'), 10);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ');
    await once(socket, 'close');
    clearInterval(timer);
    await listener.close(0);
    assert.match(text, /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i);
  });

  for (const framing of ['content-length: 100000', 'transfer-encoding: chunked']) {
    test(`get a 408 and are closed when the body arrives byte by byte: ${framing}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { timeouts: { body: '150ms' } });
      const socket = await open(gateway.url);
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      const oneByte = framing.startsWith('transfer') ? '1\r\n \r\n' : ' ';
      const timer = setInterval(() => socket.write(oneByte), 10);
      socket.write(post(`${framing}\r\n`, ''));
      await once(socket, 'close');
      clearInterval(timer);
      assert.match(text, /^HTTP\/1\.1 408 /, framing);
      assert.deepEqual(upstream.requests, []);
    });
  }

  for (const [name, head] of [
    ['without a key', 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n'],
    ['for an unknown path', `POST /nothing HTTP/1.1\r\n${key}`],
    ['for a GET', `GET /v1/models HTTP/1.1\r\n${key}`],
    ['larger than the limit', post('', '').slice(0, -2).replace('/api/chat', '/v1/embeddings')],
  ] as const) {
    test(`are closed before the end of a body of 9 GB: ${name}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream);
      const socket = await open(gateway.url);
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      const timer = setInterval(() => socket.write(' '), 10);
      socket.write(`${head}content-length: 9000000000\r\n\r\n`);
      await Promise.race([
        once(socket, 'close'),
        sleep(5_000, undefined, { ref: false }).then(() => assert.fail(`still open: ${text}`)),
      ]);
      clearInterval(timer);
      assert.match(text, /^HTTP\/1\.1 (200|401|404|413) /);
    });
  }
});

test('a connection beyond `limits.connections` takes the place of an idle one, and is counted', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream, { limits: { connections: 5 } });
  await (await gateway.fetch('/healthz', { headers: { connection: 'close' } })).text();
  const sockets: Socket[] = [];
  let closed = 0;
  for (let count = 0; count < 9; count += 1) {
    const socket = await open(gateway.url);
    sockets.push(socket.once('close', () => (closed += 1)).resume());
  }
  await until('four closed connections', () => closed >= 4);
  for (const socket of sockets) socket.destroy();
  await until(
    'an accepted connection',
    async () => (await fetch(`${gateway.url}/healthz`).catch(() => undefined))?.ok === true,
  );
  assert.ok((await gateway.metric('llamaduct_connections_dropped_total')) >= 4);
});
