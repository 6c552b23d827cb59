import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Listener, listen } from '../../src/http/listener.ts';

type Answer = () => Response | Promise<Response>;

async function listening(answer: Answer): Promise<Listener> {
  return await listen(answer, { host: '127.0.0.1', port: 0 }, () => new Response(null, { status: 400 }));
}

/** A connection on which these bytes were sent. */
async function connected({ url }: Listener, bytes: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes !== '') await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

/** Closed or reset: either will do. */
async function gone(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
}

/** Fails unless `work` is done in time. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const late = Symbol('late');
  if ((await Promise.race([work, sleep(milliseconds, late, { ref: false })])) === late) {
    assert.fail(`not done after ${milliseconds} ms`);
  }
}

const get = 'GET / HTTP/1.1\r\nhost: here\r\n\r\n';

test('connections without a whole request do not hold up the close', async () => {
  const listener = await listening(() => new Response('hello'));
  const silent = await connected(listener, '');
  const half = await connected(listener, 'GET / HT');
  const again = await connected(listener, get);
  await once(again, 'data');
  again.write('GET / HT');
  const ended = [silent, half, again].map((socket) => gone(socket.resume()));
  await within(5_000, listener.close(60_000));
  await within(5_000, Promise.all(ended));
});

test('an answer under way is ended first', async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const listener = await listening(() => promise);
  const socket = await connected(listener, get);
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  const ended = gone(socket);
  const closed = listener.close(60_000);
  await sleep(120);
  resolve(new Response('late'));
  await within(5_000, Promise.all([closed, ended]));
  assert.match(received, /^HTTP\/1\.1 200 OK[^]*late$/);
});

test('a client that does not take its answer is cut off after the grace', async () => {
  const endless = { pull: (controller: ReadableStreamDefaultController) => controller.enqueue(new Uint8Array(65_536)) };
  const listener = await listening(() => new Response(new ReadableStream(endless)));
  const socket = await connected(listener, get);
  socket.pause();
  await within(5_000, listener.close(0));
  socket.destroy();
});
