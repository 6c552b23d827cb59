import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Agent } from 'undici';
import { hashSecret } from '../../src/config/secret.ts';
import { type Running, start } from '../cli/run.ts';
import { until } from '../helpers/wait.ts';
import { type Tally, idPattern, tokensOf } from './upstream.ts';

const seconds = Number(process.env['LLAMADUCT_LOAD_SECONDS'] ?? 30);
const clients = 1000;
const parallel = 16;
const models = ['red:latest', 'blue:latest', 'green:latest'];
const names = Array.from({ length: 20 }, (_, index) => `key${index}`);
const admin = 'ld-admin';
/** Milliseconds for what comes before and after the load. */
const around = 60_000;

/** What the clients of one key, or another who counts, have seen. */
interface Count {
  requests: number;
  input: number;
  output: number;
}

type Counts = Record<string, Count>;

function add(counts: Counts, key: string, requests: number, { input, output }: Pick<Count, 'input' | 'output'>): void {
  const count = (counts[key] ??= { requests: 0, input: 0, output: 0 });
  count.requests += requests;
  count.input += input;
  count.output += output;
}

interface Asked {
  readonly path: string;
  readonly body: object;
}

/** The kinds of requests, one after the other. */
function asked(turn: number, id: string): Asked {
  const model = models[turn % models.length];
  const messages = [{ role: 'user', content: `please say ${id}` }];
  switch (turn % 6) {
    case 0:
      return { path: '/v1/chat/completions', body: { model, messages, stream: true } };
    case 1:
      return { path: '/v1/chat/completions', body: { model, messages } };
    case 2:
      return { path: '/api/chat', body: { model, messages } };
    case 3:
      return { path: '/v1/messages', body: { model, messages, max_tokens: 50, stream: true } };
    case 4:
      return { path: '/api/generate', body: { model, prompt: `please say ${id}`, stream: false } };
    default:
      return {
        path: '/v1/responses',
        body: { model, input: `please say ${id}`, stream: turn % 2 === 0, store: false },
      };
  }
}

async function started(program: readonly string[], ready: RegExp): Promise<{ running: Running; url: string }> {
  const running = start(process.execPath, program, {}, seconds * 1000 + 2 * around);
  const [, url = ''] = await running.until(ready);
  return { running, url };
}

/** Asks one request after the other until `end`, and counts what came of it. */
async function client(
  agent: Agent,
  gateway: string,
  { key, number, end }: { key: string; number: number; end: number },
  seen: { readonly counts: Counts; readonly faults: string[] },
): Promise<void> {
  for (let turn = 0; performance.now() < end; turn += 1) {
    // Of its own among those of all clients of the key.
    const id = `${key}-${number + turn * clients}`;
    const { path, body } = asked(number + turn, id);
    const { statusCode, body: answer } = await agent.request({
      origin: gateway,
      path,
      method: 'POST',
      headers: { authorization: `Bearer ld-${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(around),
    });
    const text = await answer.text();
    const told = new Set([...text.matchAll(new RegExp(idPattern, 'g'))].map(([found]) => found));
    if (statusCode !== 200 || told.size !== 1 || !told.has(id) || /"error":[{"]/.test(text)) {
      seen.faults.push(`${statusCode} ${path} ${id}: ${text.slice(0, 200)}`);
    }
    add(seen.counts, key, 1, tokensOf(id));
  }
}

/** The values of a metric, by one of its labels. */
function valuesBy(text: string, name: string, label: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, labels = '', value] = new RegExp(`^${name}\\{(.*)\\} (\\S+)$`).exec(line) ?? [];
    const by = new RegExp(`(?:^|,)${label}="([^"]*)"`).exec(labels)?.[1];
    if (by !== undefined) values.set(by, (values.get(by) ?? 0) + Number(value));
  }
  return values;
}

function countsOfMetrics(text: string): Counts {
  const counts: Counts = {};
  const ofModels = text.split('\n').filter((line) => /route="\/(v1\/(chat|messages|responses)|api\/)/.test(line));
  for (const [key, requests] of valuesBy(ofModels.join('\n'), 'llamaduct_requests_total', 'key')) {
    add(counts, key, requests, { input: 0, output: 0 });
  }
  for (const type of ['input', 'output'] as const) {
    const lines = text.split('\n').filter((line) => line.includes(`type="${type}"`));
    for (const [key, tokens] of valuesBy(lines.join('\n'), 'llamaduct_tokens_total', 'key')) {
      add(counts, key, 0, { input: 0, output: 0, [type]: tokens });
    }
  }
  return counts;
}

function countsOfRows(file: string): Counts {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database
    .prepare(
      `SELECT "key", outcome, status, count(*) AS requests, count(DISTINCT id) AS ids,
        sum(input_tokens) AS input, sum(output_tokens) AS output FROM requests GROUP BY 1, 2, 3`,
    )
    .all() as unknown as (Count & { key: string; outcome: string; status: number; ids: number })[];
  database.close();
  const counts: Counts = {};
  for (const row of rows) {
    assert.deepEqual([row.outcome, row.status, row.ids], ['ok', 200, row.requests], row.key);
    add(counts, row.key, row.requests, row);
  }
  return counts;
}

test(
  `${clients} clients of ${names.length} keys for ${seconds} s`,
  { timeout: seconds * 1000 + 2 * around },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'llamaduct-load-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const upstream = await started(['test/load/upstream.ts', ...models], /^(http:\S+)\n/);
    t.after(() => upstream.running.kill('SIGKILL'));
    const file = join(folder, 'usage.db');
    const config = {
      listen: '127.0.0.1:0',
      upstreams: [{ url: upstream.url, parallel }],
      keys: [
        { name: 'admin', hash: hashSecret(admin), scopes: ['inference', 'admin', 'metrics'] },
        ...names.map((name) => ({ name, hash: hashSecret(`ld-${name}`) })),
      ],
      queue: { waiting: clients, waiting_per_key: clients },
      limits: { in_flight: clients + 10 },
      usage: { file },
      log_level: 'warn',
    };
    writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
    const gateway = await started(
      ['src/bin.js', '--config', join(folder, 'config.yaml')],
      /(http:\/\/127\.0\.0\.1:\d+)/,
    );
    t.after(() => gateway.running.kill('SIGKILL'));
    const agent = new Agent({ connections: clients, pipelining: 1, keepAliveTimeout: around });
    t.after(async () => await agent.destroy());
    const ask = async (origin: string, path: string): Promise<string> => {
      const { body } = await agent.request({
        origin,
        path,
        method: 'GET',
        headers: { authorization: `Bearer ${admin}` },
        signal: AbortSignal.timeout(around),
      });
      return await body.text();
    };

    const counts: Counts = {};
    const faults: string[] = [];
    const end = performance.now() + seconds * 1000;
    await Promise.all(
      Array.from({ length: clients }, async (_, number) => {
        const key = names[number % names.length] ?? '';
        await client(agent, gateway.url, { key, number, end }, { counts, faults });
      }),
    );
    assert.deepEqual(faults.slice(0, 5), [], `${faults.length} faults`);

    let metrics = '';
    await until('all to have ended', async () => {
      metrics = await ask(gateway.url, '/metrics');
      return /^llamaduct_in_flight 1$/m.test(metrics);
    });
    assert.match(metrics, /^llamaduct_queue_depth\{upstream="ollama"\} 0$/m);
    assert.match(metrics, /^llamaduct_upstream_in_flight\{upstream="ollama"\} 0$/m);

    const tally = JSON.parse(await ask(upstream.url, '/tally')) as Tally;
    assert.deepEqual([tally.most, tally.now], [parallel, 0]);
    const ofUpstream: Counts = {};
    for (const [id, times] of Object.entries(tally.ids)) {
      assert.equal(times, 1, id);
      add(ofUpstream, id.slice(0, id.indexOf('-')), 1, tokensOf(id));
    }
    const { data } = JSON.parse(await ask(gateway.url, '/v1/usage?all=true&by=key')) as {
      data: { name: string; requests: number; failed: number; input_tokens: number; output_tokens: number }[];
    };
    const ofUsage: Counts = {};
    for (const { name, requests, failed, input_tokens: input, output_tokens: output } of data) {
      assert.equal(failed, 0, name);
      add(ofUsage, name, requests, { input, output });
    }
    assert.equal(Object.keys(counts).length, names.length);
    assert.deepEqual(ofUpstream, counts, 'the upstream');
    assert.deepEqual(countsOfMetrics(metrics), counts, 'the metrics');
    assert.deepEqual(ofUsage, counts, '/v1/usage');

    const served = names.map((name) => counts[name]?.requests ?? 0);
    const sum = served.reduce((all, some) => all + some, 0);
    const jain = sum ** 2 / (served.length * served.reduce((all, some) => all + some ** 2, 0));
    t.diagnostic(`${sum} requests, ${Math.round(sum / seconds)} a second, Jain's index over keys ${jain.toFixed(4)}`);
    assert.ok(jain > 0.95, `Jain's index ${jain}`);

    gateway.running.kill('SIGTERM');
    assert.equal((await gateway.running.ended).code, 0);
    assert.deepEqual(countsOfRows(file), counts, 'the rows');
  },
);
