import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import { until } from '../helpers/wait.ts';

function createExchange(): Exchange {
  return new Exchange('POST', undefined, {
    chunkGaps: () => ({ observe: () => undefined }),
    ended: () => undefined,
    stopped: () => undefined,
  });
}

suite('the timer of the first token', () => {
  test('ends the attempt and not the request, once there is no extension any more', async () => {
    const exchange = createExchange();
    exchange.beginAttempt();
    const { attemptSignal, attemptAbortSignal } = exchange;
    const extensions = [1, 1, 0];
    exchange.startFirstTokenTimer(1, () => extensions.shift() ?? 0);
    await until('the end of the attempt', () => attemptSignal.aborted && attemptAbortSignal.aborted);
    assert.equal((attemptSignal.reason as GatewayError).code, 'first_token_timeout');
    assert.deepEqual(extensions, []);
    assert.equal(exchange.signal.aborted, false);
    exchange.beginAttempt();
    assert.equal(exchange.attemptSignal.aborted, false);
  });

  for (const [name, stop] of [
    ['its own function', (_: Exchange, own: () => void) => own()],
    ['a chunk', (exchange: Exchange) => exchange.onChunk(1)],
    ['the end', (exchange: Exchange) => exchange.end()],
  ] as const) {
    test(`is stopped in an extension by ${name}`, async () => {
      const exchange = createExchange();
      exchange.beginAttempt();
      const { promise, resolve } = Promise.withResolvers<void>();
      const own = exchange.startFirstTokenTimer(1, () => {
        resolve();
        return 5;
      });
      await promise;
      stop(exchange, own);
      const last = Promise.withResolvers<void>();
      setTimeout(() => last.resolve(), 20);
      await last.promise;
      assert.equal(exchange.attemptSignal.aborted, false);
    });
  }

  test('is not stopped by what is no part of an answer', async () => {
    const exchange = createExchange();
    exchange.beginAttempt();
    exchange.startFirstTokenTimer(1);
    exchange.onChunk(0);
    assert.equal(exchange.phase, 'waiting');
    await until('the end of the attempt', () => exchange.attemptSignal.aborted);
  });
});

test('an attempt ends with its request, also one that begins later', () => {
  const exchange = createExchange();
  exchange.beginAttempt();
  const { attemptSignal } = exchange;
  const reason = new GatewayError('client_closed', 'gone');
  exchange.cancel(reason);
  assert.equal(attemptSignal.reason, reason);
  exchange.beginAttempt();
  assert.equal(exchange.attemptSignal.reason, reason);
});

test('chunks that turn out to be an error are forgotten', () => {
  const exchange = createExchange();
  exchange.estimate = { inputTokens: 100, outputTokens: 100 };
  exchange.onChunk(3);
  assert.equal(exchange.phase, 'streaming');
  exchange.forgetChunks();
  assert.equal(exchange.phase, 'waiting');
  let charged = -1;
  exchange.onEnd((ending) => (charged = ending.charged.inputTokens + ending.charged.outputTokens));
  exchange.end();
  assert.equal(charged, 0);
});
