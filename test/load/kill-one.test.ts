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

/** So many that the box that dies has more than 100 requests that have nothing of their answer yet. */
const clients = 800;
const model = 'red:latest';
/** Milliseconds. */
const [before, after, deadline] = [1_500, 2_500, 60_000];
/** Slow enough for requests to be in every state when it ends. */
const env = { LLAMADUCT_LOAD_PACE: '200' };

async function started(program: readonly string[], ready: RegExp): Promise<{ running: Running; url: string }> {
  const running = start(process.execPath, program, env, deadline);
  const [, url = ''] = await running.until(ready);
  return { running, url };
}

/** What became of requests. */
interface Seen {
  answered: number;
  /** Streams that broke after something of their answer had come. */
  broken: number;
  readonly faults: string[];
}

async function client(agent: Agent, gateway: string, number: number, end: number, seen: Seen): Promise<void> {
  for (let turn = 0; performance.now() < end; turn += 1) {
    const id = `key0-${number + turn * clients}`;
    const whole = (number + turn) % 3 === 0;
    // As it is, the upstream's own answer in one piece; or translated, as a stream.
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
    if (statusCode === 200 && text.includes(id) && !text.includes('"error"')) seen.answered += 1;
    else if (statusCode === 200 && text.includes('I heard')) seen.broken += 1;
    else seen.faults.push(`${statusCode} ${path}: ${text.slice(0, 200)}`);
  }
}

test('kill -9 of one of two upstreams fails no request that had nothing of its answer yet', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'llamaduct-kill-'));
  const program = join(import.meta.dirname, 'upstream.ts');
  const upstreams = [await started([program, model], /^(http\S+)$/m), await started([program, model], /^(http\S+)$/m)];
  const file = join(directory, 'llamaduct.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      listen: '127.0.0.1:0',
      upstreams: upstreams.map(({ url }, index) => ({ name: `box-${index}`, url })),
      keys: [{ name: 'key0', hash: hashSecret('ld-key0') }],
      // What was lost is no matter of the budget.
      retries: { share: 0 },
      log_level: 'error',
    }),
  );
  const bin = join(import.meta.dirname, '../../src/bin.js');
  const gateway = await started([bin, '--config', file], /ready on (http\S+)/);
  const agent = new Agent({ connections: clients });
  try {
    const seen: Seen = { answered: 0, broken: 0, faults: [] };
    const end = performance.now() + before + after;
    const all = Array.from({ length: clients }, async (_, number) => {
      await client(agent, gateway.url, number, end, seen);
    });
    await sleep(before);
    for (const { url } of upstreams) {
      const { now, ids } = (await (await fetch(`${url}/tally`)).json()) as Tally;
      t.diagnostic(`one upstream had ${Object.keys(ids).length} requests, ${now} at the time`);
      assert.ok(now > 200);
    }
    upstreams[0]?.running.kill('SIGKILL');
    await Promise.all(all);
    t.diagnostic(`${seen.answered} answered, ${seen.broken} broken after their first byte`);
    assert.deepEqual(seen.faults, []);
    assert.ok(seen.answered > clients);
    assert.ok(seen.broken > 0 && seen.broken <= clients);
  } finally {
    await agent.destroy();
    for (const { running } of [gateway, ...upstreams]) running.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
});
