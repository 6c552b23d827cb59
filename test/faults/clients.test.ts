import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { until } from '../helpers/wait.ts';
import { connectRaw, requestText } from './clients.ts';
import { dialects, errorIn } from './dialects.ts';
import {
  type Harness,
  assertServes,
  idle,
  isClosed,
  loggedErrorCode,
  send,
  settings,
  startHarness,
} from './harness.ts';
import { answerCompletely } from './upstream.ts';

const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
after(() => assert.deepEqual(unhandled, [], 'unhandled rejections'));

/** Milliseconds until the upstream's connection is closed after the client has left. */
const abortDeadline = 1_000;
const queueDepth = 'llamaduct_queue_depth{upstream="ollama"}';

/** Asserts that the exchange ended with `code`, that nothing is left in flight, and that the next request is served. */
async function assertEnded(harness: Harness, streamed: boolean, code: string): Promise<void> {
  assert.equal(await loggedErrorCode(harness.gateway), code);
  const { requests } = harness.upstream;
  await until('the connection to the upstream to be closed', () => requests.every(isClosed), abortDeadline);
  await idle(harness.gateway);
  await assertServes(harness, streamed);
}

/** Milliseconds: the timeout for the head of a request, and the interval at which it is checked. */
const headDeadline = 20_000 + 5_000 + 3_000;

/** Timeouts that no test reaches. */
const longTimeouts = { timeouts: { body: '10s', first_byte: '10s', idle: '10s', grace: '100ms' } } as const;

/** @returns the phase that the log has for the exchange whose client left */
async function loggedPhase({ gateway }: Harness): Promise<unknown> {
  const isDisconnect = ({ outcome }: Record<string, unknown>): boolean => outcome === 'client_closed';
  await until('a log line with outcome client_closed', () => gateway.log.some(isDisconnect), abortDeadline);
  return gateway.log.find(isDisconnect)?.['phase'];
}

suite('a faulty client', { concurrency: true }, () => {
  for (const dialect of dialects) {
    for (const streamed of [true, false]) {
      const name = `${dialect.path} in front of ${dialect.kind}, ${streamed ? 'streamed' : 'not streamed'}`;

      test(`gets a 408 when it sends its body byte by byte: ${name}`, async () => {
        await using harness = await startHarness(dialect);
        using client = await connectRaw(harness);
        const { head, body } = requestText(harness, streamed);
        client.socket.write(head);
        await client.drip(body.repeat(2).slice(0, body.length - 1), 20);
        await until('a response', () => client.text().includes('\r\n\r\n'));
        assert.match(client.text(), /^HTTP\/1\.1 408 /);
        const [, json = ''] = client.text().split('\r\n\r\n');
        errorIn(dialect.path, JSON.parse(json));
        await until('its connection to be closed', client.closed, abortDeadline);
        assert.deepEqual(harness.upstream.requests, []);
        await assertEnded(harness, streamed, 'request_timeout');
      });

      test(`that leaves in the middle of its body ends the exchange: ${name}`, async () => {
        await using harness = await startHarness(dialect, longTimeouts);
        using client = await connectRaw(harness);
        const { head, body } = requestText(harness, streamed);
        client.socket.write(head + body.slice(0, -3));
        const inFlight = async (): Promise<number> => await harness.gateway.metric('llamaduct_in_flight');
        await until('its request to be in flight', async () => (await inFlight()) === 2);
        client.socket.resetAndDestroy();
        assert.equal(await loggedPhase(harness), 'request');
        await assertEnded(harness, streamed, 'client_closed');
        assert.equal(harness.upstream.requests.length, 1);
      });

      test(`that leaves while queued is never sent to the upstream: ${name}`, async () => {
        await using harness = await startHarness(dialect, { ...longTimeouts, upstream: { parallel: 1 } });
        const { upstream, gateway } = harness;
        upstream.inject = () => undefined;
        const first = send(harness, streamed);
        await until('the first request to reach the upstream', () => upstream.requests.length === 1);
        using client = await connectRaw(harness);
        const { head, body } = requestText(harness, streamed);
        client.socket.write(head + body);
        await until('its request to be queued', async () => (await gateway.metric(queueDepth)) === 1);
        client.socket.resetAndDestroy();
        await until('its request to leave the queue', async () => (await gateway.metric(queueDepth)) === 0);
        assert.equal(await loggedPhase(harness), 'waiting');
        const [request] = upstream.requests;
        if (request !== undefined) await answerCompletely(request);
        assert.equal((await first).status, 200);
        assert.equal(upstream.requests.length, 1);
        await idle(gateway);
        await assertServes(harness, streamed);
      });

      test(`that leaves before the headers aborts the upstream request: ${name}`, async () => {
        await using harness = await startHarness(dialect, longTimeouts);
        const { upstream } = harness;
        upstream.inject = () => undefined;
        using client = await connectRaw(harness);
        const { head, body } = requestText(harness, streamed);
        client.socket.write(head + body);
        await until('its request to reach the upstream', () => upstream.requests.length === 1);
        client.socket.resetAndDestroy();
        assert.equal(await loggedPhase(harness), 'waiting');
        await assertEnded(harness, streamed, 'client_closed');
      });

      test(`that leaves in the middle of a response aborts the upstream request: ${name}`, async () => {
        await using harness = await startHarness(dialect, longTimeouts);
        let begun = false;
        harness.upstream.inject = async (request) => {
          await request.head();
          await request.send(request.script.parts[0]);
          begun = true;
        };
        using client = await connectRaw(harness);
        const { head, body } = requestText(harness, streamed);
        client.socket.write(head + body);
        await until('the first part of the response', () => begun && (!streamed || client.text().includes('Hello')));
        client.socket.resetAndDestroy();
        assert.equal(await loggedPhase(harness), 'streaming');
        await assertEnded(harness, streamed, 'client_closed');
      });
    }

    test(`that reads one byte a second is disconnected: ${dialect.path} in front of ${dialect.kind}`, async () => {
      // Longer than a busy machine keeps the upstream waiting: the idle timeout holds for both sides.
      await using harness = await startHarness(dialect, { timeouts: { ...settings.timeouts, idle: '2s' } });
      const { upstream } = harness;
      let taken = 0;
      upstream.inject = async (request) => {
        await request.head();
        const line = request.script.line('more '.repeat(1000));
        while (!request.closed) {
          await request.send(line);
          request.sent.length = 0;
          if (!request.socket.writableNeedDrain) taken += line.length;
        }
      };
      using client = await connectRaw(harness, false);
      const { head, body } = requestText(harness, true);
      client.socket.write(head + body);
      const reading = setInterval(() => client.socket.read(1), 1_000);
      try {
        await until('the upstream request to be aborted', () => upstream.requests[0]?.closed === true, 20_000);
      } finally {
        clearInterval(reading);
      }
      assert.ok(taken < 64 * 1024 * 1024, `${taken} bytes were read from the upstream`);
      await assertEnded(harness, true, 'client_closed');
    });
  }

  test('gets a 408 when its request head is slow or missing, and delays no other client', async () => {
    const [dialect] = dialects;
    if (dialect === undefined) throw new Error('there is no dialect');
    await using harness = await startHarness(dialect);
    using slow = await connectRaw(harness);
    using silent = await connectRaw(harness);
    const dripping = slow.drip(requestText(harness, true).head.repeat(100), 250);
    await assertServes(harness, true);
    await idle(harness.gateway);
    await until('both connections to be closed', () => slow.closed() && silent.closed(), headDeadline);
    await dripping;
    for (const { text } of [slow, silent]) assert.match(text(), /^HTTP\/1\.1 408 /);
    assert.equal(harness.upstream.requests.length, 1);
  });
});
