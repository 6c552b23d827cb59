import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { ending, testGateway } from '../helpers/gateway.ts';
import { type Dialect, dialects } from './dialects.ts';
import { faults } from './faults.ts';
import { type Harness, idle, loggedErrorCode, outcomeOf, send, settings } from './harness.ts';
import { type FaultyUpstream, type UpstreamRequest, answerCompletely, faultyUpstream } from './upstream.ts';

/** The faults before the first byte of an answer, after which another upstream can answer. */
const retriedFaults = new Set([
  'connection refused',
  'reset before the headers',
  'reset in the headers',
  'close before the headers',
  'status 500',
  'status 502 with an HTML page',
  'status 503',
  'redirect',
  'response that is not HTTP',
  'endless headers',
  'reset after the headers',
  'close before Content-Length bytes',
  'stall before the headers',
  'stall after the headers',
  'stall after a comment',
  'status 500 without a body',
  'error as the first line',
  'reset in the first line',
  'body that is not JSON',
]);
const injected = faults.filter(({ name }) => retriedFaults.has(name));
/** Bytes that are passed through are not parsed. */
const unnoticed = new Set(['reset in the first line', 'body that is not JSON']);

/** Starts llamaduct in front of two upstreams, with one retry. */
async function startPair(dialect: Dialect): Promise<Harness & { readonly upstreams: readonly FaultyUpstream[] }> {
  const [first, second] = [await faultyUpstream(), await faultyUpstream()];
  const { kind } = dialect;
  const configOf = (name: string, { url }: FaultyUpstream): Upstreams[0] => ({
    name,
    kind,
    url: kind === 'openai' ? `${url}/v1` : url,
    parallel: 4,
  });
  const gateway = await testGateway([configOf('ollama', first), configOf('other', second)], {
    ...settings,
    health: { failures: 1000, interval: '0s' },
    retries: { attempts: 2, share: 1 },
  });
  const both = {
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  };
  return { upstream: first, upstreams: [first, second], gateway, dialect, ...ending(gateway, both) };
}

suite('an upstream that fails before the first byte, with a second upstream', { concurrency: true }, () => {
  test('every fault of this suite exists', () => {
    assert.equal(injected.length, retriedFaults.size);
  });

  for (const dialect of dialects) {
    for (const streamed of [true, false]) {
      const { path, kind } = dialect;
      test(`${path} in front of ${kind}, ${streamed ? 'streamed' : 'not streamed'}`, async (t) => {
        await using pair = await startPair(dialect);
        for (const { name, inject, around } of injected) {
          if (dialect.passedThrough && unnoticed.has(name)) continue;
          await t.test(`${name}: the second upstream answers`, async () => {
            pair.gateway.log.length = 0;
            const requests: UpstreamRequest[] = [];
            for (const upstream of pair.upstreams) {
              upstream.inject = async (request) => {
                requests.push(request);
                // The upstream that is tried first fails. One that refuses connections receives no request.
                await (requests.length === 1 && around === undefined ? inject(request) : answerCompletely(request));
              };
            }
            const exchange = async (): Promise<void> => {
              const received = await send(pair, streamed);
              const code = await loggedErrorCode(pair.gateway);
              assert.equal(outcomeOf(pair, received, streamed, code, requests.at(-1)), 'complete');
            };
            await (around === undefined ? exchange() : around(pair.upstream, exchange));
            assert.equal(requests.length, around === undefined ? 2 : 1);
            await idle(pair.gateway);
          });
        }
      });
    }
  }
});
