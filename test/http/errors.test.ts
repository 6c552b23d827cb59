import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { silent } from '../helpers/answers.ts';
import { testGateway } from '../helpers/gateway.ts';
import { recording } from '../helpers/recordings.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream, stoppedUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

interface ErrorResponse {
  error: { message: string; type: string; param: string | null; code: string | null };
}

const post = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers,
});

suite('a request body', () => {
  test('is read as JSON whatever its Content-Type is', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const body = '{"model":"scripted-plain","messages":[{"role":"user","content":"hi"}]}';
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
      assert.equal(
        (await gateway.fetch('/v1/chat/completions', post(body, { 'content-type': type }))).status,
        200,
        type,
      );
    }
    assert.equal((await gateway.fetch('/v1/chat/completions', post(new Blob([body])))).status, 200, 'no Content-Type');
  });

  test('is a 400 with the position of the error when it is not JSON', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const bodies: [string, RegExp][] = [
      ['', /it is empty/],
      ['{"a":}', /value expected at line 1, column 6 \(position 5\)/],
      ['{\n "a": 1,\n}', /line 3, column 1 \(position 11\)/],
      ["{'a':1}", /position 1\)/],
      ['hello', /position 0\)/],
      ['{"a":1} x', /position 8\)/],
      ['{"a":"b', /position 5\)/],
      ['['.repeat(100_000), /nested too deeply|expected/],
    ];
    for (const [body, message] of bodies) {
      const response = await gateway.fetch('/v1/chat/completions', post(body));
      const { error } = (await response.json()) as ErrorResponse;
      assert.deepEqual([response.status, error.type], [400, 'invalid_request_error'], body.slice(0, 20));
      assert.match(error.message, message);
    }
  });

  test('is a 413 when it is larger than `limits.body`, with or without a Content-Length', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { limits: { body: '1KiB' } });
    const large = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'x'.repeat(2000) }] });
    assert.equal((await gateway.fetch('/v1/chat/completions', post(large))).status, 413);
    const chunked = { ...post(new Blob([large]).stream()), duplex: 'half' } as RequestInit;
    assert.equal((await gateway.fetch('/v1/chat/completions', chunked)).status, 413);
    assert.equal((await gateway.fetch('/api/chat', post(large))).status, 413);
  });

  test('is a 400 with the name of a field of the wrong type', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { limits: { body: '1KiB' } });
    const wrong = await gateway.chat({ temperature: 'hot' });
    assert.deepEqual([wrong.status, ((await wrong.json()) as ErrorResponse).error.param], [400, 'temperature']);
  });

  test('is a 408 when it does not arrive within `timeouts.body`', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { timeouts: { body: '50ms' } });
    const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"model":')) });
    const response = await gateway.fetch('/v1/chat/completions', {
      method: 'POST',
      body,
      duplex: 'half',
    });
    assert.equal(response.status, 408);
    await body.cancel().catch(() => undefined);
  });
});

suite('an upstream error', () => {
  const failures: [string, number, string, string | null, string | null][] = [
    ['chat-unknown-model', 404, 'model_not_found', null, null],
    ['busy-503', 503, 'upstream_busy', '5', 'true'],
    ['chat-broken-model', 502, 'model_load_failed', null, 'false'],
    ['killed-runner-chat', 502, 'upstream_crashed', null, 'false'],
  ];
  for (const [name, status, code, retryAfter, shouldRetry] of failures) {
    test(`becomes a ${status} ${code}: the recording ${name}`, async () => {
      const { status: sent, body } = recording(`ollama-0.17.4/${name}`);
      await using upstream = await fakeUpstream(
        (res) => void res.writeHead(sent, { 'content-type': 'application/json' }).end(body),
      );
      await using gateway = await testGateway(upstream);
      for (const stream of [true, false]) {
        const response = await gateway.chat({ stream });
        const { error } = (await response.json()) as ErrorResponse;
        assert.deepEqual([response.status, error.code], [status, code]);
        assert.equal(response.headers.get('retry-after'), retryAfter);
        assert.equal(response.headers.get('x-should-retry'), shouldRetry);
      }
    });
  }

  test('is a 502 with Retry-After and without the address of the upstream when it is unreachable, and /readyz fails', async () => {
    const stopped = await stoppedUpstream();
    await using gateway = await testGateway(stopped);
    for (const path of ['/v1/chat/completions', '/api/chat']) {
      const response = await gateway.fetch(path, post('{"model":"m","messages":[{"role":"user","content":"hi"}]}'));
      const text = await response.text();
      assert.deepEqual([response.status, response.headers.get('retry-after')], [502, '5']);
      assert.ok(
        !text.includes(new URL(stopped.url).port) && !text.includes('127.0.0.1') && !text.includes('at '),
        text,
      );
    }
    const ready = await fetch(`${gateway.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200);
    assert.equal(await gateway.metric('llamaduct_upstream_up{upstream="ollama"}'), 0);
    assert.equal(gateway.log.find(({ error }) => error === 'upstream_unreachable')?.['cause'], 'ECONNREFUSED');
  });
});

test('one request more than `limits.in_flight` is a 503 with Retry-After', async () => {
  await using upstream = await fakeUpstream(silent);
  await using gateway = await testGateway(upstream, { limits: { in_flight: 1 } });
  const controller = new AbortController();
  const first = gateway.chat({}, { signal: controller.signal });
  await until('the first request', () => upstream.open === 1);
  const second = await gateway.chat();
  assert.deepEqual([second.status, second.headers.get('retry-after')], [503, '2']);
  controller.abort();
  await assert.rejects(first);
});

test('/readyz is a 200 when the upstream answers', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  assert.deepEqual(await (await fetch(`${gateway.url}/readyz`)).json(), { status: 'ready' });
});
