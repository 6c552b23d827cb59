import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { GatewayError } from '../../src/errors.ts';
import { FairQueue, type FairQueueOptions, type QueuedRequest, type Ticket } from '../../src/scheduling/fair-queue.ts';
import { random } from './random.ts';
import { options, work } from './work.ts';

const never = new AbortController().signal;

function request(given: Partial<QueuedRequest> = {}): QueuedRequest {
  return { ...work(given), signal: never, ...given };
}

/** A queue whose only slot is taken, on a stopped clock. */
async function busy(given: Partial<FairQueueOptions> = {}): Promise<{ queue: FairQueue; running: Ticket }> {
  const queue = new FairQueue({ ...options, ...given }, () => 0);
  return { queue, running: await enter(queue, request({ key: 'running' })) };
}

function refused(status: number, code: string, retryAfter?: number): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof GatewayError);
    assert.deepEqual([thrown.status, thrown.code], [status, code]);
    assert.ok(thrown.retryAfter !== undefined && thrown.retryAfter >= 1 && thrown.retryAfter <= 60);
    if (retryAfter !== undefined) assert.equal(thrown.retryAfter, retryAfter);
    return true;
  };
}

async function enter(queue: FairQueue, work: QueuedRequest): Promise<Ticket> {
  return await queue.enter(work);
}

suite('fair queue', () => {
  test('starts a request at once if a slot is free, otherwise when another one is done', async () => {
    const { queue, running } = await busy();
    const waiting = enter(queue, request());
    assert.deepEqual([queue.inFlight, queue.size], [1, 1]);
    running.done();
    const ticket = await waiting;
    assert.deepEqual([queue.inFlight, queue.size], [1, 0]);
    ticket.done();
    ticket.done();
    running.done();
    assert.equal(queue.inFlight, 0);
  });

  test('a request that need not wait gets its ticket without a promise, and an aborted one leaves nothing behind', () => {
    const queue = new FairQueue(options, () => 0);
    const running = queue.enter(request());
    assert.ok(!(running instanceof Promise));
    assert.equal(running.waited, 0);
    running.done();
    assert.throws(() => queue.enter(request({ signal: AbortSignal.abort(new Error('gone')) })), /gone/);
    assert.equal(queue.inFlight, 0);
  });

  test('a ticket has the time that the request waited', async () => {
    let now = 5000;
    const queue = new FairQueue(options, () => now);
    const running = await enter(queue, request());
    assert.equal(running.waited, 0);
    const waiting = enter(queue, request());
    now += 700;
    running.done();
    assert.equal((await waiting).waited, 700);
  });

  test('refuses a key with too many waiting requests with 429', async () => {
    const { queue } = await busy({ maxWaitingPerKey: 2 });
    for (let count = 0; count < 2; count += 1) void enter(queue, request());
    await assert.rejects(enter(queue, request()), refused(429, 'queue_full', 3));
    void enter(queue, request({ key: 'y' }));
    assert.equal(queue.size, 3);
  });

  test('refuses every key with 503 when too many requests wait', async () => {
    const { queue, running } = await busy({ maxWaiting: 2 });
    for (const key of ['x', 'y']) void enter(queue, request({ key }));
    await assert.rejects(enter(queue, request({ key: 'z' })), refused(503, 'queue_full'));
    running.done();
    void enter(queue, request({ key: 'z' }));
    assert.equal(queue.size, 2);
  });

  test('does not refuse a request that can start at once when none may wait', async () => {
    const { queue, running } = await busy({ maxWaiting: 0 });
    await assert.rejects(enter(queue, request()), refused(503, 'queue_full'));
    running.done();
    (await enter(queue, request())).done();
  });

  test('Retry-After follows the observed service time, and is at most 60 s', async () => {
    const { queue, running } = await busy({ maxWaiting: 1 });
    running.settle({ service: 20_000 });
    running.done();
    void enter(queue, request());
    void enter(queue, request({ key: 'y' }));
    await assert.rejects(enter(queue, request({ key: 'z' })), refused(503, 'queue_full', 40));
    const slow = new FairQueue({ ...options, maxWaiting: 0, serviceTime: 1e9 });
    const first = await enter(slow, request());
    await assert.rejects(enter(slow, request()), refused(503, 'queue_full', 5), 'nothing is known yet');
    first.settle({ service: 1e9 });
    await assert.rejects(enter(slow, request()), refused(503, 'queue_full', 60));
  });

  test('an aborted request leaves at once with its reason, and never starts', async () => {
    const { queue, running } = await busy();
    const controller = new AbortController();
    const leaving = enter(queue, request({ signal: controller.signal }));
    const staying = enter(queue, request({ key: 'y' }));
    const reason = new Error('gone');
    controller.abort(reason);
    assert.equal(queue.size, 1);
    await assert.rejects(leaving, (thrown) => thrown === reason);
    running.done();
    await staying;
    assert.deepEqual([queue.inFlight, queue.size], [1, 0]);
  });

  test('refuseWaiting removes waiting requests without a trace, except bound ones', async () => {
    const { queue, running } = await busy({ maxWaitingPerKey: 2 });
    const { signal } = new AbortController();
    const leaving = ['x', 'x', 'y'].map(async (key) => await enter(queue, request({ key, signal, maxWait: 60_000 })));
    const staying = enter(queue, request({ key: 'staying', isBound: () => true }));
    const free = request({ key: 'free', isBound: () => false });
    leaving.push(enter(queue, free));
    const reason = new Error('out');
    queue.refuseWaiting(reason);
    for (const refusal of leaving) await assert.rejects(refusal, (thrown) => thrown === reason);
    assert.deepEqual([queue.size, queue.inFlight, queue.isWaiting(free)], [1, 1, false]);
    assert.equal(queue.position(free), undefined);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    // The key may wait with as many requests as before and was not charged: it alternates with the other key.
    const order: string[] = [];
    const later = ['x', 'x', 'y'].map(async (key) => {
      const ticket = await enter(queue, request({ key }));
      order.push(key);
      ticket.done();
    });
    running.done();
    (await staying).done();
    await Promise.all(later);
    assert.deepEqual([order.join(''), queue.size, queue.inFlight], ['xyx', 0, 0]);
  });

  test('a request that was aborted before does not enter', async () => {
    const queue = new FairQueue(options);
    await assert.rejects(enter(queue, request({ signal: AbortSignal.abort(new Error('gone')) })), /gone/);
    assert.equal(queue.inFlight, 0);
  });

  test('an abort after the start does not free the slot', async () => {
    const { queue, running } = await busy();
    const controller = new AbortController();
    const starting = enter(queue, request({ signal: controller.signal }));
    running.done();
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    controller.abort();
    const ticket = await starting;
    assert.equal(queue.inFlight, 1);
    ticket.done();
    assert.equal(queue.inFlight, 0);
  });

  test('a request that waits longer than maxWait is refused with queue_timeout', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { queue } = await busy();
    const waiting = enter(queue, request({ maxWait: 3000 }));
    const outcome = assert.rejects(waiting, refused(503, 'queue_timeout'));
    t.mock.timers.tick(2999);
    assert.equal(queue.size, 1);
    t.mock.timers.tick(1);
    assert.equal(queue.size, 0);
    await outcome;
  });

  test('a started request does not time out', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { queue, running } = await busy();
    const waiting = enter(queue, request({ maxWait: 3000 }));
    running.done();
    t.mock.timers.tick(5000);
    await waiting;
    assert.equal(queue.inFlight, 1);
  });

  test('requests held up by the model of another start when that one leaves', async () => {
    const queue = new FairQueue({ ...options, parallel: 2, maxExtraWait: 0 }, () => 0);
    await enter(queue, request({ model: 'a' }));
    const controller = new AbortController();
    const swap = enter(queue, request({ model: 'b', signal: controller.signal }));
    const behind = enter(queue, request({ model: 'a', key: 'y' }));
    assert.equal(queue.size, 2);
    controller.abort();
    await assert.rejects(swap);
    await behind;
    assert.equal(queue.inFlight, 2);
  });

  test('position has the expected wait, including model loads', async () => {
    let now = 0;
    const queue = new FairQueue(options, () => now);
    const running = await enter(queue, request({ key: 'running' }));
    const requests = [request(), request(), request({ key: 'y', model: 'b' })];
    const entered = requests.map(async (waiting) => await enter(queue, waiting));
    const positions = (): unknown[] => requests.map((waiting) => queue.position(waiting));
    assert.deepEqual(positions(), [
      { position: 1, wait: 1000 },
      { position: 3, wait: 11_000 },
      { position: 2, wait: 10_000 },
    ]);
    running.settle({ service: 2000 });
    running.done();
    await entered[0];
    now += 1000;
    assert.deepEqual(positions(), [undefined, { position: 2, wait: 12_000 }, { position: 1, wait: 10_000 }]);
  });

  test('position counts a request that came within the last second as last', async () => {
    const { queue } = await busy();
    const first = request();
    void enter(queue, first);
    queue.position(first);
    const second = request({ key: 'y' });
    void enter(queue, second);
    assert.deepEqual(queue.position(second), { position: 2, wait: 2000 });
  });

  test('serves 1,000 clients of 20 keys once each unless aborted, at most `parallel` at a time', async () => {
    const queue = new FairQueue({ ...options, parallel: 4, maxWaiting: 10_000 });
    const { uniform, pick } = random(0xc0ffee);
    let served = 0;
    let aborted = 0;
    let most = 0;
    let inFlight = 0;
    const client = async (number: number): Promise<void> => {
      for (let round = 0; round < 3; round += 1) {
        const controller = new AbortController();
        const model = ['a', 'b', 'c'][pick([5, 3, 2])] ?? 'a';
        const entering = enter(
          queue,
          request({ key: `${number % 20}`, model, cost: 1 + uniform() * 500, signal: controller.signal }),
        );
        if (uniform() < 0.1) controller.abort();
        try {
          const ticket = await entering;
          most = Math.max(most, (inFlight += 1));
          await setImmediate();
          inFlight -= 1;
          served += 1;
          ticket.settle({ cost: uniform() * 500, service: 1 });
          ticket.done();
        } catch (error) {
          assert.equal(error, controller.signal.reason);
          aborted += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: 1000 }, async (_, number) => await client(number)));
    assert.equal(served + aborted, 3000);
    assert.ok(aborted > 100 && served > 2000);
    assert.equal(most, 4);
    assert.deepEqual([queue.size, queue.inFlight], [0, 0]);
  });
});
