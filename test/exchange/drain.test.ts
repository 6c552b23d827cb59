import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { startLlamaduct } from '../cli/run.ts';
import { secret, type TestGateway, testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, stream } from '../helpers/openai-answers.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { endpoints } from '../limits/limited.ts';

const depth = 'llamaduct_queue_depth{upstream="ollama"}';
const keys = [
  { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] },
  { name: 'x', hash: hashSecret('ld-x') },
];
const one = { keys, upstream: { parallel: 1 }, timeouts: { grace: '20s' } };
const generating = endpoints.filter(({ streams }) => streams);

interface Read {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function post(gateway: TestGateway, path: string, body: object): Promise<Read> {
  const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text().catch((error: Error) => `broken: ${error.message}`);
  return { status: response.status, headers: response.headers, text };
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

suite('the drain time', () => {
  test('/readyz fails at once, and all is still served until the listener closes', async () => {
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

  test('every answer of that time asks to come back on another connection', async () => {
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

  test('without one it closes at once', async () => {
    await using upstream = await fakeUpstream(() => undefined);
    const gateway = await testGateway(upstream);
    const started = performance.now();
    await gateway.close();
    assert.ok(performance.now() - started < 400);
  });
});

suite('the queue', () => {
  test('is refused in the dialect of each, and what runs is finished', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, one);
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first', () => upstream.held === 1);
    const waiting = generating.flatMap((endpoint) =>
      [false, true].map((stream) => ({ endpoint, answer: post(gateway, endpoint.path, { ...endpoint.body, stream }) })),
    );
    await until('all to wait', async () => (await gateway.metric(depth)) === waiting.length);
    const closed = gateway.close();
    for (const { endpoint, answer } of waiting) {
      const { status, headers, text } = await answer;
      // Anthropic's own status for it.
      const expected = endpoint.dialect === 'anthropic' ? 529 : 503;
      assert.deepEqual([status, headers.get('retry-after')], [expected, '5'], endpoint.path);
      const { error } = JSON.parse(text) as { error: string | { message: string; type: string; code?: string } };
      assert.match(typeof error === 'string' ? error : error.message, /shutting down/);
      if (endpoint.dialect === 'openai') assert.equal((error as { code: string }).code, 'shutting_down');
      if (endpoint.dialect === 'anthropic') assert.equal((error as { type: string }).type, 'overloaded_error');
      if (endpoint.dialect === 'ollama') assert.equal(typeof error, 'string');
    }
    // Nobody took the turn of those that were refused.
    assert.deepEqual([upstream.held, upstream.order.length], [1, 1]);
    upstream.release();
    assert.match((await running).text, /data: \[DONE\]\n\n$/);
    await closed;
  });

  test('tells those whose stream began with comments in the stream', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, { ...one, timeouts: { grace: '20s', silence: '10ms' } });
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first', () => upstream.held === 1);
    const response = await gateway.chat({ stream: true });
    assert.equal(response.status, 200);
    const closed = gateway.close();
    const text = await response.text();
    assert.match(text, /^: waiting, position 1/);
    assert.match(text, /data: \{"error":\{[^\n]*"code":"shutting_down"/);
    upstream.release();
    await Promise.all([running, closed]);
  });

  test('refuses what comes to it after the stop, its body having been late', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, one);
    const running = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, stream: true });
    await until('the first', () => upstream.held === 1);
    const body = JSON.stringify(generating[0]?.body);
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await until('it to begin', async () => (await gateway.metric('llamaduct_in_flight')) === 3);
    const closed = gateway.close();
    socket.write(body);
    await until('the refusal', () => text.includes('shutting_down'));
    assert.match(text, /^HTTP\/1\.1 503 /);
    upstream.release();
    await Promise.all([running, closed]);
  });

  test('leaves an answer its other choices, one of which has begun', async () => {
    await using upstream = await heldUpstream();
    const gateway = await testGateway(upstream, one);
    const both = gateway.chat({ n: 2 }).then(async (response) => (await response.json()) as { choices: unknown[] });
    await until('one to run, one to wait', async () => upstream.held === 1 && (await gateway.metric(depth)) === 1);
    const closed = gateway.close();
    upstream.flow();
    assert.equal((await both).choices.length, 2);
    await closed;
  });
});

test('after the grace each stream ends with an error of its dialect', async () => {
  await using upstream = await fakeUpstream((res, { url }) => {
    ndjson(res);
    if (url === '/api/chat') res.write(chatLine('Hello'));
    else res.write('{"model":"scripted-plain","response":"Hello","done":false}\n');
  });
  const gateway = await testGateway(upstream, { timeouts: { grace: '300ms' } });
  const streams = generating.map(({ path, body }) => post(gateway, path, { ...body, stream: true }));
  await until('all to run', () => upstream.open === streams.length);
  await gateway.close();
  const said = await Promise.all(streams);
  for (const [index, { path, dialect }] of generating.entries()) {
    const { status, text } = said[index] as Read;
    assert.equal(status, 200, path);
    assert.match(text, /Hello/, path);
    assert.doesNotMatch(text, /^broken/, path);
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

suite('a stream that is passed on as it is', () => {
  test('as SSE ends with an error event as well', async () => {
    await using upstream = await openaiUpstream(stream([chunk({ role: 'assistant', content: 'Hello' })], 'hold'));
    const gateway = await testGateway(upstream, {
      upstream: { kind: 'openai', url: upstream.url },
      timeouts: { grace: '100ms' },
    });
    const answer = post(gateway, '/v1/chat/completions', { ...generating[0]?.body, model: 'scripted', stream: true });
    await until('it to run', () => upstream.open === 1);
    await gateway.close();
    assert.match((await answer).text, /"Hello"[^]*\n\ndata: \{"error":\{[^\n]*"code":"shutting_down"/);
  });

  test('in the middle of a line is cut off: an end would look like a complete answer', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(`${chatLine('Hello')}{"model":`));
    const gateway = await testGateway(upstream, { timeouts: { grace: '100ms' } });
    const answer = post(gateway, '/api/chat', { model: 'scripted-plain:latest', messages: [], stream: true });
    await until('it to run', () => upstream.open === 1);
    await gateway.close();
    assert.match((await answer).text, /^broken/);
  });
});

test('a second signal ends it within the drain time', async () => {
  await using upstream = await fakeUpstream(() => undefined);
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
