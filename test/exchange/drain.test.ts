import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { startLlamaduct } from '../cli/run.ts';
import { silent } from '../helpers/answers.ts';
import { textUntilBroken } from '../helpers/broken.ts';
import { secret, type TestGateway, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { chunk, stream } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { endpoints } from '../limits/limited.ts';

const depth = 'llamaduct_queue_depth{upstream="ollama"}';
const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  { name: 'x', hash: hashSecret('ld-x') },
];
const oneSlot = { keys, upstream: { parallel: 1 }, timeouts: { grace: '20s' } };
const generating = endpoints.filter(({ streams }) => streams);

interface WholeResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** False when the connection broke. */
  readonly complete: boolean;
}

async function post(gateway: TestGateway, path: string, body: object): Promise<WholeResponse> {
  const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(body) });
  const { text, complete } = await textUntilBroken(response);
  return { status: response.status, headers: response.headers, text, complete };
}

async function readiness(gateway: TestGateway): Promise<number | undefined> {
  return await fetch(`${gateway.url}/readyz`).then(
    async (response) => {
      await response.text();
      return response.status;
    },
    () => undefined,
  );
}

suite('the drain time', { concurrency: true }, () => {
  test('makes /readyz fail at once, while all requests are still served', async () => {
    await using upstream = await heldUpstream();
    upstream.flow();
    const gateway = await testGateway(upstream, { timeouts: { drain: '500ms', grace: '100ms' } });
    assert.equal(await readiness(gateway), 200);
    const started = performance.now();
    const closed = gateway.close();
    assert.equal(await readiness(gateway), 503);
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200);
    const served = await post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    assert.equal(served.status, 200);
    assert.match(served.text, /data: \[DONE\]\n\n$/);
    await closed;
    assert.ok(performance.now() - started >= 490);
    assert.equal(await readiness(gateway), undefined);
  });

  test('adds `connection: close` to every response', async () => {
    await using upstream = await heldUpstream();
    upstream.flow();
    const gateway = await testGateway(upstream, { timeouts: { drain: '400ms', grace: '100ms' } });
    const agent = new Agent({ keepAlive: true });
    const connection = async (path: string, body?: string): Promise<string | undefined> => {
      const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
      const headers = { authorization: `Bearer ${secret}` };
      const sent = request(gateway.url + path, { agent, method: body === undefined ? 'GET' : 'POST', headers });
      sent.on('error', reject).on('response', (answer) => {
        answer.resume().on('end', () => resolve(answer.headers.connection));
      });
      sent.end(body);
      return await promise;
    };
    const body = JSON.stringify({ ...generating[0]?.body, stream: true });
    assert.equal(await connection('/v1/models'), 'keep-alive');
    const closed = gateway.close();
    assert.equal(await connection('/v1/models'), 'close');
    assert.equal(await connection('/v1/chat/completions', body), 'close');
    await closed;
    agent.destroy();
  });

  test('is 0 by default: the gateway closes at once', async () => {
    await using upstream = await fakeUpstream(silent);
    const gateway = await testGateway(upstream);
    const started = performance.now();
    await gateway.close();
    assert.ok(performance.now() - started < 400);
  });
});

suite('the queue during the stop of the service', () => {
  test('refuses its requests in the error format of each API, while the running request is finished', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, oneSlot);
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first request', () => upstream.held === 1);
    const queued = generating.flatMap((endpoint) =>
      [false, true].map((stream) => ({ endpoint, answer: post(gateway, endpoint.path, { ...endpoint.body, stream }) })),
    );
    await until('all others to be queued', async () => (await gateway.metric(depth)) === queued.length);
    const closed = gateway.close();
    for (const { endpoint, answer } of queued) {
      const { status, headers, text } = await answer;
      // Anthropic's API has its own status for an overloaded server.
      const expected = endpoint.dialect === 'anthropic' ? 529 : 503;
      assert.deepEqual([status, headers.get('retry-after')], [expected, '5'], endpoint.path);
      const { error } = JSON.parse(text) as { error: string | { message: string; type: string; code?: string } };
      assert.match(typeof error === 'string' ? error : error.message, /shutting down/);
      if (endpoint.dialect === 'openai') assert.equal((error as { code: string }).code, 'shutting_down');
      if (endpoint.dialect === 'anthropic') assert.equal((error as { type: string }).type, 'overloaded_error');
      if (endpoint.dialect === 'ollama') assert.equal(typeof error, 'string');
    }
    // The refused requests did not use the slot.
    assert.deepEqual([upstream.held, upstream.order.length], [1, 1]);
    upstream.release();
    assert.match((await running).text, /data: \[DONE\]\n\n$/);
    await closed;
  });

  test('refuses a request that has sent heartbeats with an error event in its stream', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, { ...oneSlot, timeouts: { grace: '20s', silence: '10ms' } });
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first request', () => upstream.held === 1);
    const response = await gateway.chat({ stream: true });
    assert.equal(response.status, 200);
    const closed = gateway.close();
    const text = await response.text();
    assert.match(text, /^: waiting, position 1/);
    assert.match(text, /data: \{"error":\{[^\n]*"code":"shutting_down"/);
    upstream.release();
    await Promise.all([running, closed]);
  });

  test('refuses a request whose body arrives after the stop', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, oneSlot);
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first request', () => upstream.held === 1);
    const body = JSON.stringify(generating[0]?.body);
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await until('the request without its body', async () => (await gateway.metric('llamaduct_in_flight')) === 3);
    const closed = gateway.close();
    socket.write(body);
    await until('the refusal', () => text.includes('shutting_down'));
    assert.match(text, /^HTTP\/1\.1 503 /);
    upstream.release();
    await Promise.all([running, closed]);
  });

  test('keeps the queued choice of an answer whose other choice has begun', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, oneSlot);
    const both = gateway.chat({ n: 2 }).then(async (response) => (await response.json()) as { choices: unknown[] });
    await until(
      'one running and one queued choice',
      async () => upstream.held === 1 && (await gateway.metric(depth)) === 1,
    );
    const closed = gateway.close();
    upstream.flow();
    assert.equal((await both).choices.length, 2);
    await closed;
  });
});

test('after the grace time each stream ends with an error in the format of its API', async () => {
  await using upstream = await fakeUpstream((res, { url }) => {
    ndjson(res);
    if (url === '/api/chat') res.write(chatLine('Hello'));
    else res.write('{"model":"scripted-plain","response":"Hello","done":false}\n');
  });
  const gateway = await testGateway(upstream, { timeouts: { grace: '300ms' } });
  const streams = generating.map(({ path, body }) => post(gateway, path, { ...body, stream: true }));
  await until('all streams', () => upstream.open === streams.length);
  await gateway.close();
  const responses = await Promise.all(streams);
  for (const [index, { path, dialect }] of generating.entries()) {
    const { status, text, complete } = responses[index] as WholeResponse;
    assert.equal(status, 200, path);
    assert.match(text, /Hello/, path);
    // Some clients of Ollama's API ignore error lines.
    assert.equal(complete, dialect !== 'ollama', path);
    const last =
      text
        .trimEnd()
        .split('\n')
        .filter((line) => line !== 'data: [DONE]' && line !== '')
        .at(-1) ?? '';
    assert.match(last, /shutting down/, `${path}: ${text}`);
    if (dialect === 'ollama') assert.deepEqual(Object.keys(JSON.parse(last) as object), ['error']);
    else assert.match(last, /^data: \{.*error/);
  }
  assert.equal(upstream.open, 0);
});

suite('a passed-through stream after the grace time', () => {
  test('ends with an error event in SSE', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ role: 'assistant', content: 'Hello' })], 'hold'));
    const gateway = await testGateway(upstream, {
      upstream: { kind: 'openai', url: upstream.url },
      timeouts: { grace: '100ms' },
    });
    const answer = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, model: 'scripted', stream: true });
    await until('the upstream request', () => upstream.open === 1);
    await gateway.close();
    assert.match((await answer).text, /"Hello"[^]*\n\ndata: \{"error":\{[^\n]*"code":"shutting_down"/);
  });

  test('is cut off in the middle of a line, because an end would look like a complete answer', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(`${chatLine('Hello')}{"model":`));
    const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' } });
    const answer = post(gateway, '/api/chat', { model: 'scripted-plain:latest', messages: [], stream: true });
    await until('the upstream request', () => upstream.open === 1);
    await gateway.close();
    assert.ok(!(await answer).complete);
  });
});

test('a request whose body is incomplete is a 503 when the service stops', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream, { timeouts: { grace: '20ms' } });
  const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"model":')) });
  const response = gateway.fetch('/v1/chat/completions', { method: 'POST', body, duplex: 'half' });
  await until('the request', async () => (await gateway.metric('llamaduct_in_flight')) === 2);
  const closed = gateway.close();
  assert.equal((await response).status, 503);
  await closed;
});

test('a second SIGTERM ends the process within the drain time', async () => {
  await using upstream = await fakeUpstream(silent);
  const folder = await mkdtemp(join(tmpdir(), 'llamaduct-'));
  const config = join(folder, 'llamaduct.yaml');
  await writeFile(config, `listen: 127.0.0.1:0\nupstreams: [{ url: "${upstream.url}" }]\ntimeouts: { drain: 60s }\n`);
  const llamaduct = startLlamaduct(['--config', config], { LLAMADUCT_KEY: secret });
  const [, url = ''] = await llamaduct.until(/ready on (\S+)/);
  const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
  assert.equal(await ready(), 200);
  llamaduct.kill('SIGTERM');
  await until('/readyz to fail', async () => (await ready()) === 503);
  llamaduct.kill('SIGTERM');
  assert.equal((await llamaduct.ended).code, 1);
  await rm(folder, { recursive: true });
});
