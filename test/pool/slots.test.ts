import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { heldUpstream } from '../helpers/held-upstream.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import type { Answer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { assertFree, chat, depth, endpoints, inFlight, oneSlot, post, queued } from './queue-client.ts';

suite('the slot of a request', { concurrency: 4 }, () => {
  const faults: Record<string, Answer> = {
    'a 400': (res) => void res.writeHead(400).end('{"error":"no"}'),
    'a 404': (res) => void res.writeHead(404).end('{"error":"there is no such model"}'),
    'a 500': (res) => void res.writeHead(500).end('{"error":"boom"}'),
    'a 503': (res) => void res.writeHead(503).end('{"error":"server busy"}'),
    'a connection reset before the answer': (res) => void res.socket?.resetAndDestroy(),
    'headers without a body': (res) => {
      ndjson(res).flushHeaders();
      setImmediate(() => res.destroy());
    },
    'a stream that breaks off': (res) => void ndjson(res).write(chatLine('Hel'), () => res.destroy()),
    'an error line': (res) => void ndjson(res).end(`${chatLine('Hel')}{"error":"unexpected EOF"}\n`),
    'a line that is not JSON': (res) => void ndjson(res).end(`${chatLine('Hel')}<html>\n`),
    'an end without a done line': (res) => void ndjson(res).end(chatLine('Hel')),
    'a second done line': (res) => {
      ndjson(res).write(doneLine() + doneLine());
      setImmediate(() => res.end());
    },
    'a done line without an end': (res) => void ndjson(res).write(chatLine('Hel') + doneLine()),
  };
  const requests: [string, (text: string) => object][] = endpoints.flatMap(({ path, body }) => [
    [path, body],
    ...(path.includes('embed')
      ? []
      : [[path, (text) => ({ ...body(text), stream: true })] as (typeof requests)[number]]),
  ]);
  for (const [fault, answer] of Object.entries(faults)) {
    test(`is released after ${fault}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, oneSlot);
      for (const [path, body] of requests) {
        // A passed-through stream ends only when Ollama ends it. In other APIs Ollama has half a second: one of them is enough.
        if (fault === 'a done line without an end' && path !== '/v1/completions') continue;
        const failing = post(gateway, path, body('failing')).catch(() => undefined);
        await until('the failing request', () => upstream.held === 1);
        const next = chat(gateway, 'y', `after ${path}`);
        await queued(gateway, 1);
        upstream.release(answer);
        await failing;
        await until(`the next request after ${path}`, () => upstream.order.at(-1) === `after ${path}`);
        upstream.release();
        assert.equal((await next).status, 200);
        await until('the release of the slot', async () => (await gateway.metric(inFlight)) === 0);
      }
    });
  }

  test('is released when the upstream is unreachable', async () => {
    const upstream = await heldUpstream();
    await using gateway = await testGateway(upstream, oneSlot);
    await upstream[Symbol.asyncDispose]();
    const answers = await Promise.all(Array.from({ length: 5 }, () => chat(gateway, 'x', 'x', { stream: true })));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [502]);
    assert.deepEqual([await gateway.metric(inFlight), await gateway.metric(depth)], [0, 0]);
  });

  for (const path of ['/v1/chat/completions', '/api/chat']) {
    test(`is released after \`timeouts.idle\` when the client stops reading: ${path}`, async () => {
      await using upstream = await heldUpstream();
      await using gateway = await testGateway(upstream, { ...oneSlot, timeouts: { idle: '200ms', grace: '100ms' } });
      const body = JSON.stringify({
        model: 'scripted-plain',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      });
      const { hostname, port } = new URL(gateway.url);
      const client = connect({ host: hostname, port: Number(port) }).pause();
      client.on('error', () => undefined);
      client.write(
        `POST ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ld-x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      await until('the request', () => upstream.held === 1);
      const next = chat(gateway, 'y', 'next');
      await queued(gateway, 1);
      // More than all socket buffers on the way hold.
      upstream.release((res) => {
        ndjson(res);
        const more = (): void => {
          while (!res.destroyed && res.write(chatLine('x'.repeat(60_000))));
        };
        res.on('drain', more);
        more();
      });
      upstream.flow();
      assert.equal((await next).status, 200);
      await assertFree(gateway, upstream);
      client.destroy();
    });
  }
});
