import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { refuseMalformed } from '../../src/app.ts';
import { type ListenOptions, type Listener, listen } from '../../src/http/listener.ts';
import { networkOf } from '../../src/http/network-of.ts';
import { testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** A connection that collects what it receives. */
interface Client {
  readonly socket: Socket;
  text: string;
  closed: boolean;
}

async function open(url: string): Promise<Client> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  const client: Client = { socket, text: '', closed: false };
  socket.setEncoding('latin1').on('data', (chunk: string) => (client.text += chunk));
  socket.once('close', () => (client.closed = true));
  await once(socket, 'connect');
  return client;
}

/** A listener whose answers wait for `answer`; paths that begin with /refused get a 401 at once. */
interface Held extends AsyncDisposable {
  readonly url: string;
  /** Paths of the requests that were served, in their order. */
  readonly served: string[];
  /** Answers the oldest request that waits. */
  answer(): void;
}

async function heldListener(options: ListenOptions = {}): Promise<Held> {
  const served: string[] = [];
  const waiting: ((response: Response) => void)[] = [];
  const listener: Listener = await listen(
    async (request) => {
      const { pathname } = new URL(request.url);
      served.push(pathname);
      if (pathname.startsWith('/refused')) return new Response('refused', { status: 401 });
      return await new Promise<Response>((resolve) => waiting.push(resolve));
    },
    { host: '127.0.0.1', port: 0 },
    refuseMalformed,
    options,
  );
  return {
    url: listener.url,
    served,
    answer: () => waiting.shift()?.(new Response('served')),
    [Symbol.asyncDispose]: async () => await listener.close(0),
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

suite('pipelined requests', { concurrency: true }, () => {
  test('are served one after the other, in their order', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    client.socket.write(get('/1') + get('/2') + get('/3'));
    for (const count of [1, 2, 3]) {
      await until(`request ${count}`, () => held.served.length === count);
      assert.equal(client.text.split('served').length, count, 'the next one was served before the answer');
      held.answer();
    }
    await until('three answers', () => client.text.split('served').length === 4);
    assert.deepEqual(held.served, ['/1', '/2', '/3']);
    assert.equal(client.closed, false);
    client.socket.destroy();
  });

  test('with bodies that contain empty lines are read as they were sent', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    const body = 'a\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\nb';
    const post = `POST /1 HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    client.socket.write(post + get('/2'));
    await until('the first request', () => held.served.length === 1);
    held.answer();
    await until('the second request', () => held.served.length === 2);
    held.answer();
    await until('two answers', () => client.text.split('served').length === 3);
    assert.deepEqual(held.served, ['/1', '/2']);
    client.socket.destroy();
  });

  test('end the connection after a refusal, and are not served', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    client.socket.write(get('/refused/1') + get('/refused/2').repeat(500));
    await until('the end of the connection', () => client.closed);
    assert.deepEqual(held.served, ['/refused/1']);
    assert.match(client.text, /^HTTP\/1\.1 401 /);
  });

  test('are no longer read once eight wait, and end the connection after their answers', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    client.socket.write(get('/1').repeat(1000));
    for (let count = 1; count <= 9; count += 1) {
      await until(`request ${count}`, () => held.served.length === count);
      held.answer();
    }
    await until('the end of the connection', () => client.closed);
    assert.equal(held.served.length, 9);
    assert.equal(client.text.split('served').length, 10);
  });

  test('are not served after the client has left', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    client.socket.write(get('/1') + get('/2'));
    await until('the first request', () => held.served.length === 1);
    client.socket.destroy();
    await using other = await heldListener();
    const probe = await open(other.url);
    probe.socket.destroy();
    held.answer();
    assert.deepEqual(held.served, ['/1']);
  });

  test('without a key end the connection after the first 401', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const client = await open(gateway.url);
    client.socket.write(get('/v1/models').repeat(200));
    await until('the end of the connection', () => client.closed);
    assert.equal(client.text.match(/HTTP\/1\.1 401 /g)?.length, 1);
    assert.equal(await gateway.metric('llamaduct_auth_failures_total{reason="missing"}'), 1);
  });

  test('with an unknown expectation end the connection after the first 417', async () => {
    await using held = await heldListener();
    const client = await open(held.url);
    client.socket.write(`GET /1 HTTP/1.1\r\nhost: x\r\nexpect: 200-maybe\r\n\r\n`.repeat(200));
    await until('the end of the connection', () => client.closed);
    assert.equal(client.text.match(/HTTP\/1\.1 417 /g)?.length, 1);
    assert.deepEqual(held.served, []);
  });
});

suite('a connection that is too many', { concurrency: true }, () => {
  test('takes the place of the oldest one that never sent a request', async () => {
    await using held = await heldListener({ connections: 3 });
    const used = await open(held.url);
    used.socket.write(get('/refused'));
    await until('an answer', () => used.text.includes('refused'));
    const [silent, younger] = [await open(held.url), await open(held.url)];
    silent.socket.write('GET /half');
    const late = await open(held.url);
    late.socket.write(get('/1'));
    await until('the request', () => held.served.length === 2);
    await until('the end of the silent one', () => silent.closed);
    assert.deepEqual([used.closed, younger.closed, late.closed], [false, false, false]);
    held.answer();
    for (const { socket } of [used, younger, late]) socket.destroy();
  });

  test('takes the place of one that waits for its next request, if all have sent one', async () => {
    await using held = await heldListener({ connections: 2 });
    const [first, second] = [await open(held.url), await open(held.url)];
    first.socket.write(get('/1'));
    await until('the request', () => held.served.length === 1);
    second.socket.write(get('/refused'));
    await until('an answer', () => second.text.includes('refused'));
    const late = await open(held.url);
    late.socket.write(get('/2'));
    await until('the request', () => held.served.includes('/2'));
    assert.deepEqual([first.closed, late.closed], [false, false]);
    await until('the end of the idle one', () => second.closed);
    held.answer();
    held.answer();
    for (const { socket } of [first, late]) socket.destroy();
  });

  test('is closed at once while requests run on all others', async () => {
    let dropped = 0;
    await using held = await heldListener({ connections: 2, onDropped: () => (dropped += 1) });
    const clients = [await open(held.url), await open(held.url)];
    for (const { socket } of clients) socket.write(get('/1'));
    await until('two requests', () => held.served.length === 2);
    const late = await open(held.url);
    await until('the end of the third', () => late.closed);
    assert.deepEqual([...clients.map(({ closed }) => closed), dropped], [false, false, 1]);
    held.answer();
    held.answer();
    for (const { socket } of clients) socket.destroy();
  });

  test('counts per address, except for exempt addresses', async () => {
    const exempt = new Set<string>();
    await using held = await heldListener({ connectionsPerAddress: 2, isExempt: (address) => exempt.has(address) });
    const clients = [await open(held.url), await open(held.url), await open(held.url)];
    await until('the end of the first', () => clients[0]?.closed === true);
    exempt.add('127.0.0.1');
    clients.push(await open(held.url), await open(held.url));
    clients.at(-1)?.socket.write(get('/refused'));
    await until('an answer', () => clients.at(-1)?.text.includes('refused') === true);
    assert.deepEqual(
      clients.map(({ closed }) => closed),
      [true, false, false, false, false],
    );
    for (const { socket } of clients) socket.destroy();
  });
});

test('all addresses of a /64 are one network, and IPv4 addresses are the same in IPv6', () => {
  const networks: readonly [address: string, network: string][] = [
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ];
  for (const [address, network] of networks) assert.equal(networkOf(address), network);
});
