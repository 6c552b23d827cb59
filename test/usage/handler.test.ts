import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { Hono } from 'hono';
import { type Scope, keySchema } from '../../src/config/schema.ts';
import { asGatewayError } from '../../src/errors.ts';
import { KeyRing } from '../../src/policy/keys.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import type { Env } from '../../src/http/respond.ts';
import { usageHandler } from '../../src/handlers/usage.ts';
import { hashSecret } from '../../src/config/secret.ts';
import { UsageLedger } from '../../src/usage/ledger.ts';
import type { UsageQuery, UsageReport } from '../../src/usage/report.ts';
import { day, hour, noon, row } from './rows.ts';

const noLimits = { state: async () => [] };

const sinks = {
  chunkGaps: () => ({ observe: () => undefined }),
  ended: () => undefined,
  stopped: () => undefined,
};

/** Requests a path at noon as the key `name`. */
async function ask(
  handler: ReturnType<typeof usageHandler>,
  path: string,
  name = 'alice',
  scopes: Scope[] = ['inference'],
): Promise<{ status: number; body: unknown }> {
  const key = new KeyRing([keySchema.parse({ name, hash: hashSecret(name), scopes })]).find(name);
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const exchange = new Exchange('GET', undefined, sinks);
    exchange.key = key;
    c.set('exchange', exchange);
    await next();
  });
  app.get('/v1/usage', handler);
  app.onError((error, c) => {
    const { status, code, param } = asGatewayError(error);
    return c.json({ code, param }, status as 400);
  });
  const now = mock.method(Date, 'now', () => noon);
  try {
    const response = await app.request(path);
    return { status: response.status, body: await response.json() };
  } finally {
    now.mock.restore();
  }
}

function ledgerOf(...rows: readonly Parameters<typeof row>[0][]): UsageLedger {
  const ledger = new UsageLedger(':memory:', 1000 * 365 * day, (error) => {
    throw error;
  });
  for (const of of rows) ledger.record(row(of));
  return ledger;
}

const line = {
  object: 'usage',
  requests: 1,
  failed: 0,
  input_tokens: 10,
  output_tokens: 5,
  mean_duration_ms: 1000,
  mean_queue_ms: 100,
  max_queue_ms: 100,
};
const twelve = noon - (noon % hour);

suite('GET /v1/usage', () => {
  const ledger = ledgerOf({}, { model: 'qwen3', time: noon - 8 * day }, { key: 'bob', model: 'secret', group: 'lab' });
  const handler = usageHandler(ledger, noLimits);

  test("reports the key's own usage of the last 30 days by model", async () => {
    assert.deepEqual(await ask(handler, '/v1/usage'), {
      status: 200,
      body: {
        object: 'list',
        by: 'model',
        since: (twelve - 30 * day) / 1000,
        until: noon / 1000,
        data: [
          { ...line, name: 'llama3' },
          { ...line, name: 'qwen3' },
        ],
        has_more: false,
        limits: [],
      },
    });
  });

  test('reports by another field and for another time', async () => {
    const { body } = await ask(handler, '/v1/usage?by=day&since=9d&until=2026-11-03');
    assert.deepEqual(body, {
      object: 'list',
      by: 'day',
      since: (twelve - 9 * day) / 1000,
      until: Date.UTC(2026, 10, 3) / 1000,
      data: [{ ...line, name: '2026-11-02' }],
      has_more: false,
      limits: [],
    });
  });

  test("never reports other keys' usage without the admin scope", async () => {
    for (const by of ['key', 'group', 'model', 'day', 'outcome']) {
      const { body } = await ask(handler, `/v1/usage?by=${by}&all=false`);
      const { data } = body as { data: { name: string; requests: number }[] };
      assert.equal(
        data.reduce((sum, { requests }) => sum + requests, 0),
        2,
      );
      assert.ok(!JSON.stringify(data).match(/bob|secret|lab/), by);
    }
    assert.deepEqual(await ask(handler, '/v1/usage?all=true'), {
      status: 403,
      body: { code: 'insufficient_scope', param: 'all' },
    });
  });

  test('reports the usage of all keys to an admin with all=true', async () => {
    const { body } = await ask(handler, '/v1/usage?all=true', 'root', ['admin']);
    const { by, data } = body as { by: string; data: { name: string; requests: number }[] };
    assert.equal(by, 'key');
    assert.deepEqual(
      data.map(({ name, requests }) => [name, requests]),
      [
        ['alice', 2],
        ['bob', 1],
      ],
    );
    assert.deepEqual((await ask(handler, '/v1/usage', 'root', ['admin'])).body, {
      object: 'list',
      by: 'model',
      since: (twelve - 30 * day) / 1000,
      until: noon / 1000,
      data: [],
      has_more: false,
      limits: [],
    });
  });

  for (const [query, param] of [
    ['by=user', 'by'],
    ['by=', 'by'],
    ['by=__proto__', 'by'],
    ['since=soon', 'since'],
    ['since=', 'since'],
    ['until=2026-02-31', 'until'],
    ['since=1h&until=2h', 'since'],
    ['since=2027-01-01', 'since'],
    ['all=1', 'all'],
    ['key=bob', 'key'],
    [`${'x'.repeat(5000)}=1`, 'x'.repeat(64)],
  ] as const) {
    test(`refuses ?${query.slice(0, 40)}`, async () => {
      assert.deepEqual(await ask(handler, `/v1/usage?${query}`), {
        status: 400,
        body: { code: 'invalid_value', param },
      });
    });
  }
});

suite('GET /v1/usage, cached', () => {
  function counted(report = (): UsageReport => ({ lines: [], more: false })) {
    const queries: UsageQuery[] = [];
    const ledgerOfQueries = {
      report: (query: UsageQuery): UsageReport => {
        queries.push(query);
        return report();
      },
    };
    const handler = usageHandler(ledgerOfQueries, noLimits);
    const get = (query = '', name = 'alice', scopes?: Scope[]) => ask(handler, `/v1/usage${query}`, name, scopes);
    return { queries, get };
  }

  test('queries the ledger once in two seconds for each key and query', async (t) => {
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const { queries, get } = counted();
    for (let n = 0; n < 3; n += 1) await get();
    assert.equal(queries.length, 1);
    await get('?since=29d');
    await get('?until=1d');
    await get('?by=day');
    await get('', 'bob');
    await get('?all=true&by=model', 'root', ['admin']);
    assert.deepEqual(
      queries.slice(3).map(({ by, key }) => [by, key]),
      [
        ['day', 'alice'],
        ['model', 'bob'],
        ['model', undefined],
      ],
    );
    assert.equal(queries.length, 6);
    now = 1_999;
    await get();
    assert.equal(queries.length, 6);
    now = 2_000;
    await get();
    await get();
    assert.equal(queries.length, 7);
  });

  test('caches a bounded number of reports', async (t) => {
    t.mock.method(performance, 'now', () => 0);
    const { queries, get } = counted();
    for (let n = 0; n < 65; n += 1) await get(`?since=${n}h`);
    await get('?since=64h');
    assert.equal(queries.length, 65);
    await get('?since=0h');
    assert.equal(queries.length, 66);
  });

  test('does not cache failures', async () => {
    let broken = true;
    const { get } = counted(() => {
      if (broken) throw new Error('disk I/O error');
      return { lines: [], more: false };
    });
    assert.equal((await get()).status, 500);
    broken = false;
    assert.equal((await get()).status, 200);
  });
});
