import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Listener, listen } from '../../src/http/listener.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';

type Answer = () => Response | Promise<Response>;

async function listening(answer: Answer): Promise<Listener> {
  return await listen(answer, { host: '127.0.0.1', port: 0 }, () => new Response(null, { status: 400 }));
}

/** Opens a connection and sends these bytes. */
async function connected({ url }: Listener, bytes: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes !== '') await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

/** Resolves when the connection is closed or reset. */
async function closed(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
}

/** Fails unless `work` settles within this number of milliseconds. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const late = Symbol('late');
  if ((await Promise.race([work, sleep(milliseconds, late, { ref: false })])) === late) {
    assert.fail(`not done after ${milliseconds} ms`);
  }
}

const get = 'GET / HTTP/1.1\r\nhost: here\r\n\r\n';

suite('closing the listener', { concurrency: true }, () => {
  test('does not wait for connections without a complete request', async () => {
    const listener = await listening(() => new Response('hello'));
    const silent = await connected(listener, '');
    const half = await connected(listener, 'GET / HT');
    const reused = await connected(listener, get);
    await once(reused, 'data');
    reused.write('GET / HT');
    const ended = [silent, half, reused].map((socket) => closed(socket.resume()));
    await within(5_000, listener.close(60_000));
    await within(5_000, Promise.all(ended));
  });

  test('waits for a response that has not been sent yet', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>();
    const listener = await listening(() => promise);
    const socket = await connected(listener, get);
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    const ended = closed(socket);
    const listenerClosed = listener.close(60_000);
    await sleep(120);
    resolve(new Response('late'));
    await within(5_000, Promise.all([listenerClosed, ended]));
    assert.match(received, /^HTTP\/1\.1 200 OK[^]*late$/);
  });

  test('cuts off a client that does not read its response after the grace time', async () => {
    const endless = {
      pull: (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(65_536)),
    };
    const listener = await listening(() => new Response(new ReadableStream(endless)));
    const socket = await connected(listener, get);
    socket.pause();
    await within(5_000, listener.close(0));
    socket.destroy();
  });
});

test('clients are told for how long an idle connection stays open', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  for (const [setting, header] of [
    [undefined, 'timeout=65'],
    ['5m', 'timeout=300'],
  ] as const) {
    await using gateway = await testGateway(upstream, setting === undefined ? {} : { keep_alive_timeout: setting });
    assert.equal((await gateway.fetch('/healthz')).headers.get('keep-alive'), header);
  }
});
