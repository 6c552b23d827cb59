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
/** Milliseconds for one request, and for the steps before and after the load. */
const deadline = 60_000;

/** Requests and tokens of one key, as counted by clients, upstream, metrics or usage. */
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

interface LoadRequest {
  readonly path: string;
  readonly body: object;
}

/** @returns a request of one of six kinds, by `index` */
function requestOf(index: number, id: string): LoadRequest {
  const model = models[index % models.length];
  const messages = [{ role: 'user', content: `please say ${id}` }];
  switch (index % 6) {
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
        body: { model, input: `please say ${id}`, stream: index % 2 === 0, store: false },
      };
  }
}

async function started(program: readonly string[], ready: RegExp): Promise<{ running: Running; url: string }> {
  const running = start(process.execPath, program, {}, seconds * 1000 + 2 * deadline);
  const [, url = ''] = await running.until(ready);
  return { running, url };
}

/** Sends one request after the other until `end`, and counts them. */
async function client(
  agent: Agent,
  gateway: string,
  { key, number, end }: { key: string; number: number; end: number },
  results: { readonly counts: Counts; readonly failures: string[] },
): Promise<void> {
  for (let count = 0; performance.now() < end; count += 1) {
    // Unique among all clients of the key.
    const id = `${key}-${number + count * clients}`;
    const { path, body } = requestOf(number + count, id);
    const { statusCode, body: answer } = await agent.request({
      origin: gateway,
      path,
      method: 'POST',
      headers: { authorization: `Bearer ld-${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(deadline),
    });
    const text = await answer.text();
    const ids = new Set([...text.matchAll(new RegExp(idPattern, 'g'))].map(([found]) => found));
    if (statusCode !== 200 || ids.size !== 1 || !ids.has(id) || /"error":[{"]/.test(text)) {
      results.failures.push(`${statusCode} ${path} ${id}: ${text.slice(0, 200)}`);
    }
    add(results.counts, key, 1, tokensOf(id));
  }
}

/** @returns the sums of a metric by one of its labels */
function valuesBy(text: string, name: string, label: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, labels = '', value] = new RegExp(`^${name}\\{(.*)\\} (\\S+)$`).exec(line) ?? [];
    const labelValue = new RegExp(`(?:^|,)${label}="([^"]*)"`).exec(labels)?.[1];
    if (labelValue !== undefined) values.set(labelValue, (values.get(labelValue) ?? 0) + Number(value));
  }
  return values;
}

/** @returns the counts of `/metrics`, of the keys that have sent something */
function countsOfMetrics(text: string): Counts {
  const counts: Counts = {};
  const generationLines = text
    .split('\n')
    .filter((line) => /route="\/(v1\/(chat|messages|responses)|api\/)/.test(line));
  for (const [key, requests] of valuesBy(generationLines.join('\n'), 'llamaduct_requests_total', 'key')) {
    add(counts, key, requests, { input: 0, output: 0 });
  }
  for (const type of ['input', 'output'] as const) {
    const lines = text.split('\n').filter((line) => line.includes(`type="${type}"`));
    for (const [key, tokens] of valuesBy(lines.join('\n'), 'llamaduct_tokens_total', 'key')) {
      add(counts, key, 0, { input: 0, output: 0, [type]: tokens });
    }
  }
  return Object.fromEntries(Object.entries(counts).filter(([, { requests }]) => requests > 0));
}

/** @returns the counts of the usage database */
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
  `${clients} clients of ${names.length} keys for ${seconds} s: every request succeeds, all counts agree, shares are fair`,
  { timeout: seconds * 1000 + 2 * deadline },
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
    const agent = new Agent({ connections: clients, pipelining: 1, keepAliveTimeout: deadline });
    t.after(async () => await agent.destroy());
    const get = async (origin: string, path: string): Promise<string> => {
      const { body } = await agent.request({
        origin,
        path,
        method: 'GET',
        headers: { authorization: `Bearer ${admin}` },
        signal: AbortSignal.timeout(deadline),
      });
      return await body.text();
    };

    const counts: Counts = {};
    const failures: string[] = [];
    const end = performance.now() + seconds * 1000;
    await Promise.all(
      Array.from({ length: clients }, async (_, number) => {
        const key = names[number % names.length] ?? '';
        await client(agent, gateway.url, { key, number, end }, { counts, failures });
      }),
    );
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} failures`);

    let metrics = '';
    await until('all requests to end', async () => {
      metrics = await get(gateway.url, '/metrics');
      return /^llamaduct_in_flight 1$/m.test(metrics);
    });
    assert.match(metrics, /^llamaduct_queue_depth\{upstream="ollama"\} 0$/m);
    assert.match(metrics, /^llamaduct_upstream_in_flight\{upstream="ollama"\} 0$/m);

    const tally = JSON.parse(await get(upstream.url, '/tally')) as Tally;
    assert.deepEqual([tally.most, tally.now], [parallel, 0]);
    const upstreamCounts: Counts = {};
    for (const [id, times] of Object.entries(tally.ids)) {
      assert.equal(times, 1, id);
      add(upstreamCounts, id.slice(0, id.indexOf('-')), 1, tokensOf(id));
    }
    const { data } = JSON.parse(await get(gateway.url, '/v1/usage?all=true&by=key')) as {
      data: { name: string; requests: number; failed: number; input_tokens: number; output_tokens: number }[];
    };
    const usageCounts: Counts = {};
    for (const { name, requests, failed, input_tokens: input, output_tokens: output } of data) {
      assert.equal(failed, 0, name);
      add(usageCounts, name, requests, { input, output });
    }
    assert.equal(Object.keys(counts).length, names.length);
    assert.deepEqual(upstreamCounts, counts, 'counts of the upstream');
    assert.deepEqual(countsOfMetrics(metrics), counts, 'counts of /metrics');
    assert.deepEqual(usageCounts, counts, 'counts of /v1/usage');

    const served = names.map((name) => counts[name]?.requests ?? 0);
    const sum = served.reduce((all, some) => all + some, 0);
    const jain = sum ** 2 / (served.length * served.reduce((all, some) => all + some ** 2, 0));
    t.diagnostic(`${sum} requests, ${Math.round(sum / seconds)} per second, Jain's index over keys ${jain.toFixed(4)}`);
    assert.ok(jain > 0.95, `Jain's index ${jain}`);

    gateway.running.kill('SIGTERM');
    assert.equal((await gateway.running.ended).code, 0);
    assert.deepEqual(countsOfRows(file), counts, 'counts of the usage rows');
  },
);
