import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { hashSecret } from '../../src/config/secret.ts';
import { type Running, start } from '../cli/run.ts';
import type { Tally } from './upstream.ts';

/** Enough for the killed upstream to have more than 100 requests without any byte of a response. */
const clients = 800;
const model = 'red:latest';
/** Milliseconds: load before the kill, load after it, and for each request. */
const [before, after, deadline] = [1_500, 2_500, 60_000];
/** Slow enough for requests to be in every state when the upstream is killed. */
const env = { LLAMADUCT_LOAD_PACE: '200' };

async function started(program: readonly string[], ready: RegExp): Promise<{ running: Running; url: string }> {
  const running = start(process.execPath, program, env, deadline);
  const [, url = ''] = await running.until(ready);
  return { running, url };
}

/** Results of all clients. */
interface Results {
  answered: number;
  /** Number of streams that broke after their first byte. */
  broken: number;
  readonly failures: string[];
}

async function client(agent: Agent, gateway: string, number: number, end: number, results: Results): Promise<void> {
  for (let count = 0; performance.now() < end; count += 1) {
    const id = `key0-${number + count * clients}`;
    const whole = (number + count) % 3 === 0;
    // Passed through and not streamed, or translated and streamed.
    const path = whole ? '/api/chat' : '/v1/chat/completions';
    const messages = [{ role: 'user', content: `please say ${id}` }];
    const { statusCode, body } = await agent.request({
      origin: gateway,
      path,
      method: 'POST',
      headers: { authorization: 'Bearer ld-key0', 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages, stream: !whole }),
      signal: AbortSignal.timeout(deadline),
    });
    const text = await body.text();
    if (statusCode === 200 && text.includes(id) && !text.includes('"error"')) results.answered += 1;
    else if (statusCode === 200 && text.includes('I heard')) results.broken += 1;
    else results.failures.push(`${statusCode} ${path}: ${text.slice(0, 200)}`);
  }
}

test('kill -9 of one of two upstreams fails no request whose response had not begun', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'llamaduct-kill-'));
  const program = join(import.meta.dirname, 'upstream.ts');
  const upstreams = [await started([program, model], /^(http\S+)$/m), await started([program, model], /^(http\S+)$/m)];
  const file = join(directory, 'llamaduct.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      listen: '127.0.0.1:0',
      upstreams: upstreams.map(({ url }, index) => ({ name: `server-${index}`, url })),
      // One key may have a quarter of all requests under way, unless its group says otherwise.
      groups: { load: { in_flight: clients } },
      keys: [{ name: 'key0', hash: hashSecret('ld-key0'), group: 'load' }],
      // Requests that a lost server had are retried without regard to the budget.
      retries: { share: 0 },
      log_level: 'error',
    }),
  );
  const bin = join(import.meta.dirname, '../../src/bin.js');
  const gateway = await started([bin, '--config', file], /ready on (http\S+)/);
  const agent = new Agent({ connections: clients });
  try {
    const results: Results = { answered: 0, broken: 0, failures: [] };
    const end = performance.now() + before + after;
    const all = Array.from({ length: clients }, async (_, number) => {
      await client(agent, gateway.url, number, end, results);
    });
    await sleep(before);
    for (const { url } of upstreams) {
      const { now, ids } = (await (await fetch(`${url}/tally`)).json()) as Tally;
      t.diagnostic(`an upstream had received ${Object.keys(ids).length} requests, ${now} of them running`);
      assert.ok(now > 200);
    }
    upstreams[0]?.running.kill('SIGKILL');
    await Promise.all(all);
    t.diagnostic(`${results.answered} answered, ${results.broken} broken after their first byte`);
    assert.deepEqual(results.failures, []);
    assert.ok(results.answered > clients);
    assert.ok(results.broken > 0 && results.broken <= clients);
  } finally {
    await agent.destroy();
    for (const { running } of [gateway, ...upstreams]) running.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
});
