import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { keyOf, posted, tester } from '../limits/limited.ts';

const chat = { model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }] };

/** The request lines in the log, without those of the debug level. */
function requestLines({ log }: TestGateway): Record<string, unknown>[] {
  return log.filter(({ msg, level }) => msg === 'request' && level !== 'debug');
}

suite('the access log', () => {
  test('has no lines for scrapes and health checks at the default level', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    const metricsToken = 'a-token-for-the-metrics';
    await using gateway = await testGateway(upstream, { metrics: { token: hashSecret(metricsToken) } });
    const byToken = { headers: { authorization: `Bearer ${metricsToken}` } };
    for (const path of ['/healthz', '/readyz', '/metrics', '/', '/api/version']) {
      for (const method of ['GET', 'HEAD']) {
        const response = await gateway.fetch(path, { method, ...(path === '/metrics' && byToken) });
        await response.text();
        // The fake answers every path with a chat.
        assert.equal(response.status, 200, `${method} ${path}`);
      }
    }
    await (await gateway.chat()).text();
    await until('the line of the chat', () => requestLines(gateway).length > 0);
    assert.deepEqual(
      requestLines(gateway).map(({ route, level }) => [route, level]),
      [['/v1/chat/completions', 'info']],
    );
    const [scrape] = gateway.log.filter(({ route }) => route === '/metrics');
    assert.deepEqual([scrape?.['level'], scrape?.['key']], ['debug', 'metrics-token']);
  });

  test('has a line for a scrape that is refused', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    await (await fetch(`${gateway.url}/metrics`)).text();
    await until('the line', () => requestLines(gateway).length > 0);
    const [line] = requestLines(gateway);
    assert.deepEqual([line?.['route'], line?.['status'], line?.['client']], ['/metrics', 401, '127.0.0.1']);
  });

  test("has the client's address in the line of every refusal", async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, {
      trusted_proxies: ['127.0.0.1'],
      keys: [
        tester,
        keyOf('narrow', { models: ['other'] }),
        keyOf('elsewhere', { addresses: ['192.0.2.0/24'] }),
        keyOf('slow', { limits: { requests_per_minute: 1 } }),
      ],
    });
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    const send = async (path: string, key: string, body: object = chat): Promise<void> => {
      const { method, body: text } = posted(body, key) as { method: string; body: string };
      const authorization = `Bearer ${key}`;
      await (await gateway.fetch(path, { method, body: text, headers: { authorization, ...headers } })).text();
    };
    await send('/v1/chat/completions', 'nobody');
    for (const key of ['narrow', 'elsewhere', 'slow', 'slow']) await send('/v1/chat/completions', key);
    await send('/api/pull', 'narrow', { model: 'x' });
    await send('/v1/nothing', 'narrow');
    await send('/v1/chat/completions', 'slow', { n: 'x' });
    const refused = (): Record<string, unknown>[] =>
      requestLines(gateway).filter(({ status }) => Number(status) >= 400);
    await until('the lines', () => refused().length === 7);
    assert.deepEqual(
      refused().map(({ status, client }) => [status, client]),
      [401, 403, 403, 429, 403, 404, 400].map((status) => [status, '198.51.100.7']),
    );
  });

  test("has the client's address in the line of a malformed request, and of a connection that is too many", async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream, { limits: { connections_per_address: 1 } });
    const { port } = new URL(gateway.url);
    const sent = connect(Number(port), '127.0.0.1', () => sent.write('GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n'));
    await once(sent.resume(), 'close');
    const first = connect(Number(port), '127.0.0.1');
    await once(first, 'connect');
    const second = connect(Number(port), '127.0.0.1');
    await once(second, 'connect');
    const messages = ['malformed request refused', 'connection closed, because too many are open'];
    const lines = (): Record<string, unknown>[] => gateway.log.filter(({ msg }) => messages.includes(String(msg)));
    await until('the lines', () => lines().length >= 2);
    for (const { client } of lines()) assert.equal(client, '127.0.0.1');
    assert.deepEqual([lines()[0]?.['status'], lines()[0]?.['error']], [400, 'invalid_value']);
    for (const socket of [first, second]) socket.destroy();
  });

  test('has failures of the upstream at a level of their own', async () => {
    await using upstream = await fakeUpstream((res) => void res.socket?.destroy());
    await using gateway = await testGateway(upstream);
    assert.equal((await gateway.chat()).status, 502);
    await until('the line', () => requestLines(gateway).length > 0);
    assert.equal(requestLines(gateway)[0]?.['level'], 'warn');
  });
});
