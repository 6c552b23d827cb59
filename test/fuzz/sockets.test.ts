import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { Agent } from 'undici';
import { errorsFor } from '../../src/protocols/index.ts';
import { GatewayError } from '../../src/errors.ts';
import { isObject } from '../../src/framing/json.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { bodies, requestTo } from './bodies.ts';
import { readEvents } from './frames.ts';
import { check } from './settings.ts';
import { reliableUpstream } from './upstream.ts';

/** Milliseconds for a response. The upstream answers immediately. */
const deadline = 5_000;

const [first = '', ...others] = Object.keys(bodies);

/** @returns the fields of an error in the dialect of a path */
function errorShapeOf(path: string): string {
  return shape(errorsFor(path).body(new GatewayError('invalid_value', 'x')));
}

/** @returns the names of a body's fields, and of those of its error */
function shape(body: unknown): string {
  if (!isObject(body)) return typeof body;
  const inner = isObject(body['error']) ? Object.keys(body['error']).toSorted() : typeof body['error'];
  return JSON.stringify([
    Object.keys(body)
      .filter((name) => name !== 'request_id')
      .toSorted(),
    inner,
  ]);
}

suite('fuzz: requests on sockets', () => {
  for (const kind of ['ollama', 'openai'] as const) {
    test(`none gives a 5xx, and each gets a response in its dialect, in front of ${kind}`, async () => {
      await using upstream = await reliableUpstream(kind);
      await using gateway = await testGateway(upstream, { upstream: { kind }, log_level: 'silent' });
      const agent = new Agent({ connections: 4, pipelining: 1 });
      const statuses = new Map<number, number>();
      await check(
        0.03,
        fc.asyncProperty(requestTo([first, ...others]), async ([path, text]) => {
          upstream.requests.length = 0;
          const {
            statusCode: status,
            headers,
            body,
          } = await agent.request({
            origin: gateway.url,
            path,
            method: 'POST',
            headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
            body: text,
            signal: AbortSignal.timeout(deadline),
          });
          const answer = await body.text();
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          assert.ok(status < 500, `${status} ${path}: ${answer.slice(0, 300)}`);
          const type = String(headers['content-type']);
          if (status !== 200) assert.equal(shape(JSON.parse(answer)), errorShapeOf(path), answer);
          else if (type.startsWith('application/json')) JSON.parse(answer);
          else if (upstream.requests.every(({ url }) => !url.endsWith(path))) readEvents(answer, type);
        }),
      );
      await agent.destroy();
      assert.ok((statuses.get(200) ?? 0) > 0 && (statuses.get(400) ?? 0) > 0, JSON.stringify([...statuses]));
      assert.equal(await gateway.metric('llamaduct_in_flight'), 1, 'more than the scrape itself is in flight');
      assert.equal(upstream.open, 0);
      assert.deepEqual(
        gateway.log.filter(({ error }) => error === 'internal_error'),
        [],
      );
    });
  }
});
