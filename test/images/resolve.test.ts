import assert from 'node:assert/strict';
import { type Socket, createSocket } from 'node:dgram';
import { suite, test } from 'node:test';
import { resolveHost } from '../../src/images/resolve.ts';

const typeA = 1;
const typeAAAA = 28;

/** A name server that answers every query with these records, with NXDOMAIN, or not at all. */
async function nameServer(
  records: Partial<Record<number, readonly (readonly number[])[]>> | 'no such name' | 'silent',
): Promise<AsyncDisposable & { address: string; queried: number[]; socket: Socket }> {
  const socket = createSocket('udp4');
  const queried: number[] = [];
  socket.on('message', (query, { port, address }) => {
    const questionEnd = query.indexOf(0, 12) + 5;
    const type = query.readUInt16BE(questionEnd - 4);
    queried.push(type);
    if (records === 'silent') return;
    const found = records === 'no such name' ? [] : (records[type] ?? []);
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(records === 'no such name' ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(found.length, 6);
    head.writeUInt32BE(0, 8);
    const answers = found.map((data) => Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data]));
    socket.send(Buffer.concat([head, query.subarray(12, questionEnd), ...answers]), port, address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${socket.address().port}`,
    queried,
    socket,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        socket.close(resolve);
      });
    },
  };
}

const ipv4 = [
  [192, 0, 2, 1],
  [192, 0, 2, 2],
];
const ipv6 = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]];

suite('resolveHost', { timeout: 20_000 }, () => {
  const signal = new AbortController().signal;

  test('returns all addresses, IPv4 first', async () => {
    await using server = await nameServer({ [typeA]: ipv4, [typeAAAA]: ipv6 });
    const found = await resolveHost('images.example', signal, [server.address]);
    assert.deepEqual([found.slice(0, 2).toSorted(), found.slice(2)], [['192.0.2.1', '192.0.2.2'], ['2001:db8::1']]);
    assert.deepEqual(new Set(server.queried), new Set([typeA, typeAAAA]));
  });

  test('returns the addresses of a host that has only one kind', async () => {
    await using ipv4Only = await nameServer({ [typeA]: ipv4.slice(0, 1) });
    assert.deepEqual(await resolveHost('images.example', signal, [ipv4Only.address]), ['192.0.2.1']);
    await using ipv6Only = await nameServer({ [typeAAAA]: ipv6 });
    assert.deepEqual(await resolveHost('images.example', signal, [ipv6Only.address]), ['2001:db8::1']);
  });

  test('returns none for an unknown name and for a name without addresses', async () => {
    for (const records of ['no such name', {}] as const) {
      await using server = await nameServer(records);
      assert.deepEqual(await resolveHost('images.example', signal, [server.address]), []);
    }
  });

  test('returns at once when the signal aborts while a name server does not answer', async () => {
    await using server = await nameServer('silent');
    const client = new AbortController();
    server.socket.once('message', () => client.abort());
    const start = performance.now();
    assert.deepEqual(await resolveHost('images.example', client.signal, [server.address]), []);
    assert.ok(performance.now() - start < 1_000);
  });
});
