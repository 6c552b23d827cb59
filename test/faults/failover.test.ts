import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Upstreams } from '../../src/config/schema.ts';
import { ending, testGateway } from '../helpers/gateway.ts';
import { type Bench, ask, codeLogged, idle, outcomeOf, settings } from './bench.ts';
import { type Dialect, dialects } from './dialects.ts';
import { faults } from './faults.ts';
import { type FaultyUpstream, type Wire, faultyUpstream, wholly } from './upstream.ts';

/** After these nothing of an answer has come, so that another upstream can give it. */
const nothingCame = new Set([
  'connection refused',
  'reset before the headers',
  'reset in the headers',
  'closed before the headers',
  '500',
  '502 with a page',
  '503',
  'a redirect',
  'not HTTP',
  'headers without end',
]);

/** llamaduct in front of two upstreams, of which it may ask both. */
async function pair(dialect: Dialect): Promise<Bench & { readonly upstreams: readonly FaultyUpstream[] }> {
  const [one, other] = [await faultyUpstream(), await faultyUpstream()];
  const { kind } = dialect;
  const named = (name: string, { url }: FaultyUpstream): Upstreams[0] => ({
    name,
    kind,
    url: kind === 'openai' ? `${url}/v1` : url,
    parallel: 4,
  });
  const gateway = await testGateway([named('ollama', one), named('other', other)], {
    ...settings,
    health: { failures: 1000, interval: '0s' },
    retries: { attempts: 2, share: 1 },
  });
  const both = {
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
  return { upstream: one, upstreams: [one, other], gateway, dialect, ...ending(gateway, both) };
}

suite('an upstream that fails before anything came, with another beside it', { concurrency: true }, () => {
  test('every fault that this is about is there', () => {
    assert.deepEqual(new Set(faults.map(({ name }) => name).filter((name) => nothingCame.has(name))), nothingCame);
  });

  for (const dialect of dialects) {
    for (const streamed of [true, false]) {
      test(`${dialect.path} in front of ${dialect.kind}, ${streamed ? 'streamed' : 'whole'}`, async (t) => {
        await using on = await pair(dialect);
        for (const { name, inject, around } of faults.filter(({ name }) => nothingCame.has(name))) {
          await t.test(name, async () => {
            on.gateway.log.length = 0;
            const asked: Wire[] = [];
            for (const upstream of on.upstreams) {
              upstream.inject = async (wire) => {
                asked.push(wire);
                // Whichever is asked first fails; one that refuses is not asked at all.
                await (asked.length === 1 && around === undefined ? inject(wire) : wholly(wire));
              };
            }
            const step = async (): Promise<void> => {
              const got = await ask(on, streamed);
              assert.equal(outcomeOf(on, got, streamed, await codeLogged(on.gateway), asked.at(-1)), 'answer');
            };
            await (around === undefined ? step() : around(on.upstream, step));
            assert.equal(asked.length, around === undefined ? 2 : 1);
            await idle(on.gateway);
          });
        }
      });
    }
  }
});
