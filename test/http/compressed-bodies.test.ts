import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import {
  brotliCompressSync,
  constants,
  createZstdCompress,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import { secret, testGateway } from '../helpers/gateway.ts';
import { silent } from '../helpers/answers.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** At a low quality, because the highest, which is the default, takes seconds. */
const brotli = (bytes: Buffer): Buffer =>
  brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 2 } });

const compress: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  GZIP: gzipSync,
  deflate: deflateSync,
  br: brotli,
  zstd: (bytes) => zstdCompressSync(bytes),
  identity: (bytes) => bytes,
  'identity, gzip': gzipSync,
  'gzip, br': (bytes) => brotli(gzipSync(bytes)),
  'deflate,zstd , gzip': (bytes) => gzipSync(zstdCompressSync(deflateSync(bytes))),
};

const chat = (content: string): Buffer =>
  Buffer.from(JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content }] }));

const bombed = (size: number): Buffer => chat('ab'.repeat(size / 2));

async function post(
  gateway: Awaited<ReturnType<typeof testGateway>>,
  coding: string,
  body: Buffer | ReadableStream,
): Promise<{ status: number; error: { message: string; code: string | null }; response: Response }> {
  const init = { method: 'POST', headers: { 'content-encoding': coding }, body, duplex: 'half' };
  const response = await gateway.fetch('/v1/chat/completions', init as unknown as RequestInit);
  const { error } = (await response.json()) as { error: { message: string; code: string | null } };
  return { status: response.status, error, response };
}

const inPieces = (bytes: Buffer, size: number): ReadableStream =>
  ReadableStream.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
  );

/** The number of requests under way, without the one for the metrics. */
async function inFlight(gateway: Awaited<ReturnType<typeof testGateway>>): Promise<number> {
  return (await gateway.metric('llamaduct_in_flight')) - 1;
}

suite('a compressed request body', () => {
  for (const portable of [false, true]) {
    test(`is unpacked, whatever the coding${portable ? ', through a web stream' : ''}`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { portable });
      for (const [coding, packed] of Object.entries(compress)) {
        const text = `a bird, ${coding}`;
        assert.equal((await post(gateway, coding, packed(chat(text)))).status, 200, coding);
        assert.ok(upstream.requests.at(-1)?.body.includes(text));
        assert.equal((await post(gateway, coding, inPieces(packed(chat(text)), 7))).status, 200, `${coding} in pieces`);
      }
      assert.equal((await post(gateway, 'deflate', deflateRawSync(chat('raw')))).status, 200);
    });
  }

  test('is taken by every API, and by routes whose body is passed through', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const path of ['/v1/messages', '/api/chat', '/v1/responses']) {
      const body = { model: 'scripted-plain', max_tokens: 9, input: 'hi', messages: [{ role: 'user', content: 'hi' }] };
      const response = await gateway.fetch(path, {
        method: 'POST',
        headers: { 'content-encoding': 'zstd' },
        body: new Uint8Array(zstdCompressSync(JSON.stringify(body))),
      });
      assert.equal(response.status, 200, path);
      await response.text();
      assert.match(upstream.requests.at(-1)?.body ?? '', /^\{.*"hi"/);
      assert.equal(upstream.requests.at(-1)?.headers['content-encoding'], undefined);
    }
  });

  test('is a 413 when more than `limits.body` comes out, and the connection stays usable', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { limits: { body: '1MiB' } });
    for (const [coding, packed] of Object.entries(compress)) {
      if (coding === 'identity') continue;
      const { status, error } = await post(gateway, coding, packed(bombed(8 * 1024 * 1024)));
      assert.deepEqual([status, error.code], [413, 'request_too_large'], coding);
    }
    // The output of the first decompressor is large, and that of the second empty.
    const empty = gzipSync('');
    const nothing = Buffer.concat(Array.from({ length: 60_000 }, () => empty));
    assert.equal((await post(gateway, 'gzip, gzip', gzipSync(nothing))).status, 413);
    assert.equal((await post(gateway, 'gzip', gzipSync(bombed(500_000)))).status, 200);
    assert.equal(upstream.requests.length, 1);
  });

  test('counts with its unpacked bytes against `limits.bodies_total`', async () => {
    await using upstream = await fakeUpstream(silent);
    await using gateway = await testGateway(upstream, {
      limits: { body: '4MiB', bodies_total: '8MiB' },
      timeouts: { grace: '0s' },
    });
    const send = async (): Promise<number> => (await post(gateway, 'gzip', gzipSync(bombed(3 * 1024 * 1024)))).status;
    const first = send();
    await until('the first request to reach the upstream', () => upstream.requests.length === 1);
    assert.equal(await send(), 503);
    await gateway.close();
    assert.equal(await first, 503);
  });

  test('is a 415 with the known codings when its coding is unknown, or when it has too many', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const coding of ['snappy', 'gzip, lz4', 'compress', 'gzip, gzip, gzip, gzip']) {
      const { status, error, response } = await post(gateway, coding, chat('hi'));
      assert.deepEqual([status, error.code], [415, 'unsupported_encoding'], coding);
      assert.match(error.message, /coding/i);
      assert.equal(response.headers.get('accept-encoding'), 'gzip, deflate, br, zstd');
    }
    const created = await gateway.fetch('/api/create', {
      method: 'POST',
      headers: { 'content-encoding': 'gzip' },
      body: new Uint8Array(gzipSync('{}')),
    });
    assert.equal(created.status, 415);
    assert.deepEqual(upstream.requests, []);
  });

  test('in deflate is unpacked at once when bytes follow its end, instead of keeping its place from others', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { timeouts: { body: '2s' } });
    for (const pack of [deflateSync, deflateRawSync]) {
      for (const length of [1, 300_000]) {
        const longer = Buffer.concat([pack(chat('hi')), Buffer.alloc(length, 'x')]);
        assert.equal((await post(gateway, 'deflate', longer)).status, 200);
        assert.equal((await post(gateway, 'deflate, br', brotli(longer))).status, 200);
      }
    }
  });

  test('is a 400 when it cannot be unpacked', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const [coding, packed] of Object.entries(compress)) {
      if (coding === 'identity') continue;
      for (const body of [chat('not packed'), packed(chat('cut off '.repeat(99))).subarray(0, -9)]) {
        const { status, error } = await post(gateway, coding, body);
        assert.equal(status, 400, coding);
        assert.match(error.message, /is not .*(gzip|deflate|br|zstd)/);
      }
    }
    assert.deepEqual(upstream.requests, []);
  });

  test('is a 400 in zstd with a window of more than 8 MiB, for which memory would have to be allocated', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    for (const [windowLog, status] of [
      [23, 200],
      [27, 400],
    ] as const) {
      const packing = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } });
      const flushed = new Promise<void>((resolve) => packing.write(chat('wide'), () => packing.flush(resolve)));
      const packed = buffer(packing);
      await flushed;
      packing.end();
      assert.equal((await post(gateway, 'zstd', await packed)).status, status);
    }
  });

  test('leaves nothing behind when its client goes away', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const { hostname, port } = new URL(gateway.url);
    const packed = gzipSync(bombed(1_000_000));
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`,
    );
    socket.write(packed.subarray(0, packed.length / 2));
    await once(socket, 'connect');
    await until('the request to begin', async () => (await inFlight(gateway)) === 1, 2_000);
    socket.destroy();
    await once(socket, 'close');
    await until('the request to end', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'), 2_000);
  });
});
