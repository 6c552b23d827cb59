import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { until } from '../helpers/wait.ts';
import { type Bench, ask, assertServes, bench, codeLogged, idle } from './bench.ts';
import { client, requestOf } from './clients.ts';
import { dialects, errorIn } from './dialects.ts';
import { type Wire, wholly } from './upstream.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, []));

/** Milliseconds for an upstream to hear that nobody waits for it. */
const prompt = 1_000;
const depth = 'llamaduct_queue_depth{upstream="ollama"}';

/** Shows that nothing is left of a client, and the next one is served. */
async function assertOver(on: Bench, streamed: boolean, code: string): Promise<void> {
  assert.equal(await codeLogged(on.gateway), code);
  const isClosed = ({ closed }: Wire): boolean => closed;
  await until('the upstream to be left', () => on.upstream.wires.every(isClosed), prompt);
  await idle(on.gateway);
  await assertServes(on, streamed);
}

/** Milliseconds for the head of a request, and until somebody looks. */
const headPatience = 20_000 + 5_000 + 3_000;

/** Patience enough for whatever a test does not wait for. */
const patient = { timeouts: { body: '10s', first_byte: '10s', idle: '10s', grace: '100ms' } } as const;

async function phaseOf({ gateway }: Bench): Promise<unknown> {
  await until('the log to tell of it', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'), prompt);
  return gateway.log.find(({ outcome }) => outcome === 'client_closed')?.['phase'];
}

suite('a client', { concurrency: true }, () => {
  for (const dialect of dialects) {
    for (const streamed of [true, false]) {
      const name = `${dialect.path} in front of ${dialect.kind}, ${streamed ? 'streamed' : 'whole'}`;

      test(`that sends its body a byte at a time is refused: ${name}`, async () => {
        await using on = await bench(dialect);
        using loris = await client(on);
        const { head, body } = requestOf(on, streamed);
        loris.socket.write(head);
        await loris.drip(body.repeat(2).slice(0, body.length - 1), 20);
        await until('an answer', () => loris.text().includes('\r\n\r\n'));
        assert.match(loris.text(), /^HTTP\/1\.1 408 /);
        const [, json = ''] = loris.text().split('\r\n\r\n');
        errorIn(dialect.path, JSON.parse(json));
        await until('it to be cut off', loris.closed, prompt);
        assert.deepEqual(on.upstream.wires, []);
        await assertOver(on, streamed, 'request_timeout');
      });

      test(`that leaves in the middle of its body: ${name}`, async () => {
        await using on = await bench(dialect, patient);
        using gone = await client(on);
        const { head, body } = requestOf(on, streamed);
        gone.socket.write(head + body.slice(0, -3));
        await until('it to be in flight', async () => (await on.gateway.metric('llamaduct_in_flight')) === 2);
        gone.socket.resetAndDestroy();
        assert.equal(await phaseOf(on), 'request');
        await assertOver(on, streamed, 'client_closed');
        assert.equal(on.upstream.wires.length, 1);
      });

      test(`that leaves in the queue: ${name}`, async () => {
        await using on = await bench(dialect, { ...patient, upstream: { parallel: 1 } });
        on.upstream.inject = () => undefined;
        const first = ask(on, streamed);
        await until('the first to be there', () => on.upstream.wires.length === 1);
        using gone = await client(on);
        const { head, body } = requestOf(on, streamed);
        gone.socket.write(head + body);
        await until('it to wait', async () => (await on.gateway.metric(depth)) === 1);
        gone.socket.resetAndDestroy();
        await until('it not to wait', async () => (await on.gateway.metric(depth)) === 0);
        assert.equal(await phaseOf(on), 'waiting');
        const [wire] = on.upstream.wires;
        if (wire !== undefined) await wholly(wire);
        assert.equal((await first).status, 200);
        assert.equal(on.upstream.wires.length, 1);
        await idle(on.gateway);
        await assertServes(on, streamed);
      });

      test(`that leaves before the headers: ${name}`, async () => {
        await using on = await bench(dialect, patient);
        on.upstream.inject = () => undefined;
        using gone = await client(on);
        const { head, body } = requestOf(on, streamed);
        gone.socket.write(head + body);
        await until('the upstream to be asked', () => on.upstream.wires.length === 1);
        gone.socket.resetAndDestroy();
        assert.equal(await phaseOf(on), 'waiting');
        await assertOver(on, streamed, 'client_closed');
      });

      test(`that leaves in the middle of an answer: ${name}`, async () => {
        await using on = await bench(dialect, patient);
        let begun = false;
        on.upstream.inject = async (wire) => {
          await wire.head();
          await wire.send(wire.script.parts[0]);
          begun = true;
        };
        using gone = await client(on);
        const { head, body } = requestOf(on, streamed);
        gone.socket.write(head + body);
        await until('some of the answer', () => begun && (!streamed || gone.text().includes('Hello')));
        gone.socket.resetAndDestroy();
        assert.equal(await phaseOf(on), 'streaming');
        await assertOver(on, streamed, 'client_closed');
      });
    }

    test(`that reads a byte a second is cut off: ${dialect.path} in front of ${dialect.kind}`, async () => {
      await using on = await bench(dialect);
      let sent = 0;
      on.upstream.inject = async (wire) => {
        await wire.head();
        const line = wire.script.line('more '.repeat(1000));
        while (!wire.closed) {
          await wire.send(line);
          wire.sent.length = 0;
          if (!wire.socket.writableNeedDrain) sent += line.length;
        }
      };
      using slow = await client(on, false);
      const { head, body } = requestOf(on, true);
      slow.socket.write(head + body);
      const sip = setInterval(() => slow.socket.read(1), 1_000);
      try {
        await until('it to be cut off', () => on.upstream.wires[0]?.closed === true, 10_000);
      } finally {
        clearInterval(sip);
      }
      assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken from the upstream`);
      await assertOver(on, true, 'client_closed');
    });
  }

  test('that sends its head a byte at a time, or nothing, is cut off, and meanwhile nobody waits', async () => {
    const [dialect] = dialects;
    if (dialect === undefined) throw new Error('there is no dialect');
    await using on = await bench(dialect);
    using loris = await client(on);
    using silent = await client(on);
    const dripping = loris.drip(requestOf(on, true).head.repeat(100), 250);
    await assertServes(on, true);
    await idle(on.gateway);
    await until('both to be cut off', () => loris.closed() && silent.closed(), headPatience);
    await dripping;
    for (const { text } of [loris, silent]) assert.match(text(), /^HTTP\/1\.1 408 /);
    assert.equal(on.upstream.wires.length, 1);
  });
});
