import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Job } from './job.ts';
import { runJob } from './load.ts';
import { createRaw } from './raw.ts';
import { startUpstream } from './upstream.ts';

// Tests the load generator and its upstream; the figures depend on the machine.

const model = 'bench-n40-i1-b3-t1';

function jobOf(port: number, overrides: Partial<Job> = {}): Job {
  return {
    port,
    model,
    key: 'none',
    streamed: true,
    prompt: 100,
    clients: 3,
    turns: 2,
    ramp: 5,
    warmUp: 4,
    warmUpModel: 'bench-n3',
    deadline: 20_000,
    ...overrides,
  };
}

describe('the load generator', () => {
  let upstream: Awaited<ReturnType<typeof startUpstream>>;
  before(async () => {
    upstream = await startUpstream([model]);
  });
  after(() => upstream.close());

  const run = async (job: Job): Promise<{ load: Awaited<ReturnType<typeof runJob>>; stages: string[] }> => {
    const stages: string[] = [];
    const load = await runJob(job, {
      warm: async () => void stages.push('warm'),
      open: () => void stages.push('open'),
    });
    return { load, stages };
  };

  it('measures every token of every stream', async () => {
    const { load, stages } = await run(jobOf(upstream.port));
    assert.deepEqual(load.errors, {});
    assert.deepEqual(stages, ['warm', 'open']);
    assert.equal(load.requests, 6);
    assert.equal(load.tokens, 240);
    assert.equal(load.first.count, 6);
    assert.equal(load.transit.count, 240);
    // 14 writes of up to 3 lines each; several may arrive together.
    assert.ok(load.gap.count > 0 && load.gap.count <= 6 * 13, `${load.gap.count} gaps`);
  });

  it('measures streams without pause, and responses that are not streamed', async () => {
    const streams = await run(jobOf(upstream.port, { model: 'bench-n300-b2', clients: 5 }));
    assert.deepEqual(streams.load.errors, {});
    const { load } = await run(jobOf(upstream.port, { model: 'bench-n9', streamed: false }));
    assert.deepEqual(load.errors, {});
    assert.equal(load.first.count, 6);
  });

  it('gets correct responses through the raw proxy', async () => {
    const raw = createRaw(`http://127.0.0.1:${upstream.port}`);
    await new Promise<void>((resolve) => {
      raw.listen(0, '127.0.0.1', resolve);
    });
    const { port } = raw.address() as AddressInfo;
    for (const streamed of [true, false]) {
      const { load } = await run(jobOf(port, { streamed, model: 'bench-n40' }));
      assert.deepEqual(load.errors, {});
    }
    raw.closeAllConnections();
    raw.close();
  });

  it('counts error statuses and timeouts as errors', async () => {
    const cut = await run(jobOf(upstream.port, { model: 'bench-n3-p1000' }));
    assert.deepEqual(cut.load.errors, { 'status 400: {"error":"the prompt was cut"}': 6 });
    const late = await run(jobOf(upstream.port, { model: 'bench-n3-d9000', turns: 1, deadline: 400 }));
    assert.equal(late.load.errors['timed out'], 3);
  });

  it('counts broken connections as errors', async () => {
    const server = createServer((req, res) => {
      req.resume();
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: {"choices":[{"delta":{"content":" the"}}]}\n\n');
      setTimeout(() => res.destroy(), 5);
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const { load } = await run(jobOf((server.address() as AddressInfo).port, { warmUp: 0 }));
    assert.equal(load.errors['the connection closed before the end of the response'], 6);
    server.close();
  });
});
