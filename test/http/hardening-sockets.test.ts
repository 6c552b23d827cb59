import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { refuseMalformed } from '../../src/app.ts';
import { type Listener, listen } from '../../src/http/listener.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type SeenRequest, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const body = '{"model":"scripted-plain:latest","messages":[{"role":"user","content":"hi"}],"stream":false}';
const key = `host: x\r\nauthorization: Bearer ${secret}\r\n`;
/** What would follow if the two ends of a connection disagreed where a request ends. */
const smuggled = `POST /api/chat HTTP/1.1\r\n${key}content-length: ${body.length}\r\n\r\n${body}`;
const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

interface Told {
  /** Of each answer on the connection. */
  readonly statuses: number[];
  readonly text: string;
  /** Whether the server closed the connection. */
  readonly closed: boolean;
}

async function open(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes as they are, and reads until the connection is closed, or nothing comes any more. */
async function raw(url: string, bytes: string | Buffer, patience = 3_000): Promise<Told> {
  const socket = await open(url);
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
  const closed = once(socket, 'close').then(() => true);
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  const wasClosed = await Promise.race([closed, sleep(patience, false, { ref: false })]);
  socket.destroy();
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { statuses, text, closed: wasClosed };
}

const post = (headers: string, rest: string, target = '/api/chat', version = '1.1'): string =>
  `POST ${target} HTTP/${version}\r\n${key}${headers}\r\n${rest}`;

/** Each is refused, its connection closed, and nothing of it reaches the upstream. */
const malformed: readonly [name: string, bytes: string, statuses: number[]][] = [
  ['a length and chunks', post(`content-length: 5\r\ntransfer-encoding: chunked\r\n`, `0\r\n\r\n${smuggled}`), [400]],
  ['chunks and a length', post(`transfer-encoding: chunked\r\ncontent-length: 5\r\n`, `0\r\n\r\n${smuggled}`), [400]],
  ['two lengths', post(`content-length: 0\r\ncontent-length: ${smuggled.length}\r\n`, smuggled), [400]],
  ['the same length twice', post(`content-length: ${body.length}\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a list of lengths', post(`content-length: 0, ${smuggled.length}\r\n`, smuggled), [400]],
  ['a negative length', post('content-length: -1\r\n', smuggled), [400]],
  ['a signed length', post(`content-length: +${body.length}\r\n`, body), [400]],
  ['a hexadecimal length', post('content-length: 0x10\r\n', smuggled), [400]],
  ['a length beyond all', post('content-length: 99999999999999999999999\r\n', smuggled), [400]],
  ['chunks by a folded header', post('transfer-encoding:\r\n chunked\r\n', chunked), [400]],
  ['a folded header', post(`x-folded: a\r\n b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a space before the colon', post('transfer-encoding : chunked\r\n', chunked), [400]],
  ['a tab in front of a header', post('\ttransfer-encoding: chunked\r\n', chunked), [400]],
  ['chunks twice', post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', chunked), [400, 501]],
  ['chunks before another coding', post('transfer-encoding: chunked, identity\r\n', chunked), [400]],
  ['another coding before chunks', post('transfer-encoding: gzip, chunked\r\n', chunked), [501]],
  ['another coding', post('transfer-encoding: identity\r\n', chunked), [501]],
  ['something like chunks', post('transfer-encoding: xchunked\r\n', chunked), [501]],
  ['chunks behind a vertical tab', post('transfer-encoding: \x0bchunked\r\n', chunked), [400]],
  ['chunks of no number', post('transfer-encoding: chunked\r\n', `zz\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['chunks of a negative number', post('transfer-encoding: chunked\r\n', `-1\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['chunks without their line ends', post('transfer-encoding: chunked\r\n', `2\r\n${body}\r\n0\r\n\r\n`), [400]],
  ['chunks whose lines end in LF', post('transfer-encoding: chunked\r\n', chunked.replaceAll('\r\n', '\n')), [400]],
  ['a head whose lines end in LF', smuggled.replaceAll('\r\n', '\n'), [400]],
  ['one header whose line ends in LF', post(`x-a: b\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a bare CR in a header', post(`x-a: b\rtransfer-encoding: chunked\r\n`, body), [400]],
  ['a NUL in a header', post(`x-a: b\0c\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a NUL in the name of a header', post(`x-\0a: b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a NUL in the target', post(`content-length: ${body.length}\r\n`, body, '/api/ch\0at'), [400]],
  ['a header without a colon', post(`x-a\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a header without a name', post(`: b\r\ncontent-length: ${body.length}\r\n`, body), [400]],
  ['a space in the target', post(`content-length: ${body.length}\r\n`, body, '/api/chat /x'), [400]],
  ['another version', post(`content-length: ${body.length}\r\n`, body, '/api/chat', '3.7'), [400]],
  ['HTTP/0.9', 'GET /api/tags\r\n\r\n', [400]],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
  ['no host', `GET /api/tags HTTP/1.1\r\nauthorization: Bearer ${secret}\r\n\r\n`, [400]],
  ['a method of nobody', `BREW /api/chat HTTP/1.1\r\n${key}\r\n`, [400]],
  ['CONNECT', `CONNECT ollama:11434 HTTP/1.1\r\n${key}\r\n${smuggled}`, [405]],
  ['CONNECT to a path', `CONNECT /api/chat HTTP/1.1\r\n${key}\r\n${smuggled}`, [400, 405]],
  ['a head of 20 KiB', post(`x-a: ${'a'.repeat(20_000)}\r\n`, ''), [431]],
  ['a target of 20 KiB', post('', '', `/api/chat?${'a'.repeat(20_000)}`), [431]],
  ['300 headers', post(`${'x-a: b\r\n'.repeat(300)}content-length: ${body.length}\r\n`, body), [431]],
  ['an expectation of nobody', post(`expect: 200-maybe\r\ncontent-length: ${body.length}\r\n`, body), [417]],
];

suite('what could be read in two ways', () => {
  test('is refused, closed, and never reaches the upstream', async (t) => {
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

  test('after a whole request on the same connection is not taken for one either', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { statuses, closed } = await raw(gateway.url, `${smuggled}GARBAGE\r\n\r\n`);
    assert.ok(closed);
    assert.ok(statuses.length <= 1);
    assert.ok(upstream.requests.length <= 1);
  });

  test('a body that is longer than it says is another request, and a bad one', async () => {
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

suite('what HTTP allows', () => {
  const closing = 'connection: close\r\n';

  test('two requests on one connection are two, told apart', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const get = `GET /v1/models HTTP/1.1\r\n${key}`;
    const { statuses } = await raw(gateway.url, `${get}\r\n${get}${closing}\r\n`);
    assert.deepEqual(statuses, [200, 200]);
  });

  test('an absolute target is no path of ours, and no proxy to elsewhere', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const target of [`${upstream.url}/api/chat`, 'http://x/api/chat', 'https://x/api/chat']) {
      const headers = `${closing}content-length: ${body.length}\r\n`;
      const { statuses } = await raw(gateway.url, post(headers, body, target));
      assert.deepEqual(statuses, [404], target);
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('Expect: 100-continue is answered, then the request', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const headers = `${closing}expect: 100-continue\r\ncontent-length: ${body.length}\r\n`;
    const { statuses } = await raw(gateway.url, post(headers, body));
    assert.deepEqual(statuses, [100, 200]);
    assert.equal(upstream.requests[0]?.headers['expect'], undefined);
  });

  test('an upgrade is passed over, also to h2c, and nothing is tunnelled', async () => {
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

  test('HTTP/1.0 gets its answer and its connection closed', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { statuses, closed } = await raw(
      gateway.url,
      post(`content-length: ${body.length}\r\n`, body, '/api/chat', '1.0'),
    );
    assert.deepEqual([statuses, closed], [[200], true]);
  });

  test('chunks have extensions and trailers, of which nothing is passed on', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const pieces = `${body.length.toString(16)};a=b\r\n${body}\r\n0\r\nx-trailer: 1\r\nauthorization: Bearer other\r\n\r\n`;
    const { statuses } = await raw(gateway.url, post(`${closing}transfer-encoding: Chunked\r\n`, pieces));
    assert.deepEqual(statuses, [200]);
    const [seen] = upstream.requests;
    assert.equal(seen?.body, body);
    assert.deepEqual([seen?.headers['x-trailer'], seen?.headers.authorization], [undefined, undefined]);
  });
});

suite('headers between two hops', () => {
  test('go no further, and neither does anything that is not picked', async () => {
    const answers: SeenRequest[] = [];
    await using upstream = await fakeUpstream((res, request) => {
      answers.push(request);
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
    const sent = new Set(answers.flatMap(({ headers }) => Object.keys(headers)));
    for (const name of ['accept', 'content-type', 'content-length', 'host', 'connection', 'transfer-encoding']) {
      sent.delete(name);
    }
    assert.deepEqual([...sent], []);
  });
});

suite('slow and many', () => {
  const timeouts = { headersTimeout: 150, connectionsCheckingInterval: 20 };
  const address = { host: '127.0.0.1', port: 0 };
  const listening = async (options: Parameters<typeof listen>[3] = {}): Promise<Listener> =>
    await listen(() => new Response('hello'), address, refuseMalformed, options);

  test('a connection that says nothing is closed', async () => {
    const listener = await listening({ timeouts });
    const { closed, statuses } = await raw(listener.url, '');
    await listener.close(0);
    assert.ok(closed);
    assert.ok(statuses.length === 0 || statuses[0] === 408);
  });

  test('a head that comes a byte at a time is a 408', async () => {
    const listener = await listening({ timeouts });
    const socket = await open(listener.url);
    let text = '';
    socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
    const timer = setInterval(() => socket.write('a'), 10);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ');
    await once(socket, 'close');
    clearInterval(timer);
    await listener.close(0);
    assert.match(text, /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i);
  });

  test('a body that comes a byte at a time is a 408, and its connection closed', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { timeouts: { body: '150ms' } });
    for (const framing of ['content-length: 100000', 'transfer-encoding: chunked']) {
      const socket = await open(gateway.url);
      let text = '';
      socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
      const piece = framing.startsWith('transfer') ? '1\r\n \r\n' : ' ';
      const timer = setInterval(() => socket.write(piece), 10);
      socket.write(post(`${framing}\r\n`, ''));
      await once(socket, 'close');
      clearInterval(timer);
      assert.match(text, /^HTTP\/1\.1 408 /, framing);
    }
    assert.deepEqual(upstream.requests, []);
  });

  for (const [name, head] of [
    ['of a stranger', 'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n'],
    ['to nowhere', `POST /nothing HTTP/1.1\r\n${key}`],
    ['of a GET', `GET /v1/models HTTP/1.1\r\n${key}`],
    ['that is too large', post('', '').slice(0, -2).replace('/api/chat', '/v1/embeddings')],
  ] as const) {
    test(`a body ${name} is not read to its end`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream);
      const socket = await open(gateway.url);
      let text = '';
      socket.setEncoding('latin1').on('data', (piece: string) => (text += piece));
      const timer = setInterval(() => socket.write(' '), 10);
      socket.write(`${head}content-length: 9000000000\r\n\r\n`);
      await Promise.race([once(socket, 'close'), sleep(5_000).then(() => assert.fail(`still open: ${text}`))]);
      clearInterval(timer);
      assert.match(text, /^HTTP\/1\.1 (200|401|404|413) /);
    });
  }

  test('one connection too many is closed at once, and counted', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { limits: { connections: 5 } });
    await (await gateway.fetch('/healthz', { headers: { connection: 'close' } })).text();
    const sockets: Socket[] = [];
    let closed = 0;
    for (let count = 0; count < 9; count += 1) {
      const socket = await open(gateway.url);
      sockets.push(socket.once('close', () => (closed += 1)).resume());
    }
    await until('some to be closed', () => closed >= 4);
    for (const socket of sockets) socket.destroy();
    await until(
      'there to be room',
      async () => (await fetch(`${gateway.url}/healthz`).catch(() => undefined))?.ok === true,
    );
    assert.ok((await gateway.metric('llamaduct_connections_dropped_total')) >= 4);
  });
});
