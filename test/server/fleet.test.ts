import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import type { UpstreamConfig, Upstreams } from '../../src/config/schema.ts';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { openaiUpstream, saying } from '../helpers/openai-upstream.ts';
import { type Answer, type FakeUpstream, chatLine, fakeUpstream, ndjson, plainAnswer } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { heldUpstream } from './held-upstream.ts';

const names = ['first', 'second', 'third'];

/** Upstreams by these names, in this order. */
function boxes(upstreams: readonly Pick<FakeUpstream, 'url'>[], more: Partial<UpstreamConfig> = {}): Upstreams {
  const configs = upstreams.map(({ url }, index): UpstreamConfig => {
    return { name: names[index] ?? '', kind: 'ollama', url, ...more };
  });
  return configs as unknown as Upstreams;
}

const quick = { retries: { attempts: 3, base: '5ms' }, health: { interval: '0s' } };
const asked = ({ requests }: FakeUpstream): number => requests.filter(({ method }) => method === 'POST').length;
const failing =
  (status: number): Answer =>
  (res) => {
    res.writeHead(status, { 'content-type': 'application/json' }).end('{"error":"it failed"}');
  };
const resetting: Answer = (res) => {
  res.destroy();
};

/** An address where nothing listens. */
async function nowhere(): Promise<{ url: string }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return { url: `http://127.0.0.1:${port}` };
}

async function said(gateway: TestGateway, content: string, body: object = {}): Promise<string> {
  const response = await gateway.chat({ messages: [{ role: 'user', content }], ...body });
  assert.equal(response.status, 200, await response.clone().text());
  return await response.text();
}

suite('models of several upstreams', () => {
  test('are listed together, and asked for where they are', async () => {
    await using one = await fakeUpstream(plainAnswer(), ['alpha:latest', 'both:latest']);
    await using two = await fakeUpstream(plainAnswer(), ['beta:latest', 'both:latest']);
    await using gateway = await testGateway(boxes([one, two]), quick);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(data.map(({ id }) => id).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
    for (const [model, upstream, other] of [
      ['alpha', one, two],
      ['beta', two, one],
    ] as const) {
      const before = [asked(upstream), asked(other)];
      await said(gateway, 'hi', { model });
      await (
        await gateway.fetch('/api/chat', { method: 'POST', body: JSON.stringify({ model, messages: [] }) })
      ).text();
      assert.deepEqual([asked(upstream), asked(other)], [(before[0] ?? 0) + 2, before[1]], model);
    }
    const { models } = (await (await gateway.fetch('/api/tags')).json()) as { models: { name: string }[] };
    assert.deepEqual(models.map(({ name }) => name).toSorted(), ['alpha:latest', 'beta:latest', 'both:latest']);
  });

  test('are there of one upstream while another does not answer', async () => {
    await using one = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using gateway = await testGateway(boxes([await nowhere(), one]), quick);
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: { id: string }[] };
    assert.deepEqual(
      data.map(({ id }) => id),
      ['alpha:latest'],
    );
    assert.equal((await gateway.fetch('/readyz')).status, 200);
  });

  test('are asked for in the dialect of the upstream that has them', async () => {
    await using ollama = await fakeUpstream(plainAnswer(), ['alpha:latest']);
    await using vllm = await openaiUpstream(saying('hello'), ['beta']);
    const upstreams: Upstreams = [
      { name: 'ollama', kind: 'ollama', url: ollama.url },
      { name: 'vllm', kind: 'openai', url: vllm.url },
    ];
    await using gateway = await testGateway(upstreams, quick);
    for (const model of ['alpha', 'beta']) {
      await said(gateway, 'hi', { model, stream: true });
      const native = await gateway.fetch('/api/chat', {
        method: 'POST',
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
      });
      assert.equal(native.status, 200);
      assert.equal(native.headers.get('content-type'), 'application/x-ndjson');
      await native.text();
    }
    assert.deepEqual(
      ollama.requests.filter(({ method }) => method === 'POST').map(({ url }) => url),
      ['/api/chat', '/api/chat'],
    );
    assert.deepEqual(
      vllm.requests.map(({ url }) => url),
      ['/v1/chat/completions', '/v1/chat/completions'],
    );
  });
});

suite('what fails before anything of an answer came', () => {
  for (const [what, answer] of [
    ['a 500', failing(500)],
    ['a 503', failing(503)],
    ['a reset', resetting],
  ] as const) {
    for (const stream of [false, true]) {
      test(`${what} is asked of another upstream, ${stream ? 'streamed' : 'whole'}`, async () => {
        await using bad = await fakeUpstream(answer);
        await using good = await fakeUpstream(plainAnswer());
        await using gateway = await testGateway(boxes([bad, good]), quick);
        for (let count = 0; count < 6; count += 1) {
          assert.match(await said(gateway, `conversation ${count}`, { stream }), /Hello/);
        }
        assert.equal(asked(good), 6);
        assert.ok(asked(bad) > 0, 'no conversation was at home there');
      });
    }
  }

  test('an upstream that is not there is asked again, and left out after some failures', async () => {
    await using good = await fakeUpstream(plainAnswer());
    const leaving = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(boxes([leaving, good]), {
      ...quick,
      health: { interval: '0s', failures: 2 },
    });
    await leaving[Symbol.asyncDispose]();
    for (let count = 0; count < 20; count += 1) await said(gateway, `conversation ${count}`);
    assert.equal(await gateway.metric('llamaduct_upstream_ejected{upstream="first"}'), 1);
    assert.equal(await gateway.metric('llamaduct_retries_total{upstream="first",code="upstream_unreachable"}'), 2);
  });

  for (const status of [400, 404, 429]) {
    test(`a ${status} stands`, async () => {
      await using one = await fakeUpstream(failing(status));
      await using two = await fakeUpstream(failing(status));
      await using gateway = await testGateway(boxes([one, two]), quick);
      const response = await gateway.chat();
      assert.equal(response.status, status);
      await response.text();
      assert.equal(asked(one) + asked(two), 1);
    });
  }

  test('is asked of the only upstream again, three times in all', async () => {
    let count = 0;
    await using upstream = await fakeUpstream((res, request) => {
      count += 1;
      return count < 3 ? failing(503)(res, request) : plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, quick);
    assert.match(await said(gateway, 'hi'), /Hello/);
    assert.equal(asked(upstream), 3);
  });

  test('is not asked of an upstream that does not have the model', async () => {
    let count = 0;
    await using only = await fakeUpstream(
      (res, request) => {
        count += 1;
        return count < 2 ? failing(503)(res, request) : plainAnswer()(res, request);
      },
      ['only-here:latest'],
    );
    await using other = await fakeUpstream(failing(404));
    await using gateway = await testGateway(boxes([only, other]), quick);
    assert.match(await said(gateway, 'hi', { model: 'only-here' }), /Hello/);
    assert.deepEqual([asked(only), asked(other)], [2, 0]);
  });

  test('ends at once when the client leaves in a pause', async () => {
    await using upstream = await fakeUpstream(failing(503));
    await using gateway = await testGateway(upstream, { ...quick, retries: { attempts: 3, base: '10s' } });
    const leaving = new AbortController();
    const left = gateway.chat({}, { signal: leaving.signal });
    await until('it to be asked', () => asked(upstream) === 1);
    leaving.abort();
    await assert.rejects(left);
    await until('it to end', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    assert.equal(asked(upstream), 1);
  });
});

test('what fails after something of an answer came is not asked again', async () => {
  const half: Answer = async (res) => {
    await new Promise<void>((resolve) => {
      ndjson(res).write(chatLine('half'), () => resolve());
    });
    setTimeout(() => res.destroy(), 20);
  };
  await using one = await fakeUpstream(half);
  await using two = await fakeUpstream(half);
  await using gateway = await testGateway(boxes([one, two]), quick);
  const text = await said(gateway, 'hi', { stream: true });
  assert.match(text, /half[^]*"error"/);
  assert.doesNotMatch(text, /\[DONE\]/);
  const whole = await gateway.chat({ messages: [{ role: 'user', content: 'hi' }] });
  assert.equal(whole.status, 502);
  await whole.text();
  assert.equal(asked(one) + asked(two), 2);
});

test('a stream that has only said that it waits is asked of another upstream too', async () => {
  const { promise: gone, resolve: letGo } = Promise.withResolvers<void>();
  const late: Answer = async (res, request) => {
    await gone;
    await failing(500)(res, request);
  };
  await using bad = await fakeUpstream(late);
  await using good = await fakeUpstream(plainAnswer());
  const [first, second] = boxes([bad, good]);
  // So much heavier that every conversation is at home there.
  const upstreams: Upstreams = [
    { ...first, weight: 100 },
    { ...(second ?? first), weight: 0.01 },
  ];
  await using gateway = await testGateway(upstreams, { ...quick, timeouts: { silence: '20ms' } });
  const response = await gateway.chat({ stream: true });
  assert.equal(response.status, 200);
  letGo();
  const text = await response.text();
  assert.match(text, /^: waiting for the model\n\n/);
  assert.match(text, /Hello[^]*\[DONE\]/);
});

suite('upstreams that are all down', () => {
  test('are a 503 at once, with Retry-After', async () => {
    await using gateway = await testGateway(boxes([await nowhere(), await nowhere()]), {
      ...quick,
      health: { interval: '0s', failures: 1 },
    });
    await (await gateway.chat()).text();
    const response = await gateway.chat();
    assert.equal(response.status, 503);
    assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    assert.equal(error.code, 'upstream_down');
    assert.doesNotMatch(error.message, /127\.0\.0\.1/);
  });

  test('come back by themselves', async () => {
    let broken = true;
    await using upstream = await fakeUpstream((res, request) =>
      broken ? resetting(res, request) : plainAnswer()(res, request),
    );
    await using gateway = await testGateway(boxes([upstream, await nowhere()]), {
      retries: { attempts: 1 },
      health: { interval: '30ms', failures: 2 },
    });
    const ejected = async (): Promise<number> => await gateway.metric('llamaduct_upstream_ejected{upstream="second"}');
    await until('the second to be taken out', async () => (await ejected()) === 1);
    broken = false;
    assert.match(await said(gateway, 'hi'), /Hello/);
  });
});

suite('the upstream of a request', () => {
  test('is the same for all of a conversation, and not for all conversations', async () => {
    await using one = await fakeUpstream(plainAnswer());
    await using two = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(boxes([one, two]), quick);
    const homes = new Set<number>();
    for (let conversation = 0; conversation < 12; conversation += 1) {
      const messages = [{ role: 'user', content: `conversation ${conversation}` }];
      const before = asked(one);
      for (let turn = 0; turn < 3; turn += 1) {
        await (await gateway.chat({ messages })).text();
        messages.push({ role: 'assistant', content: 'yes' }, { role: 'user', content: `turn ${turn}` });
      }
      const here = asked(one) - before;
      assert.ok(here === 0 || here === 3, `conversation ${conversation}: ${here} of 3`);
      homes.add(here);
    }
    assert.equal(homes.size, 2);
  });

  test('is an idle one rather than a busy one', async () => {
    await using one = await heldUpstream();
    await using two = await heldUpstream();
    one.loaded = two.loaded = ['scripted-plain:latest'];
    await using gateway = await testGateway(boxes([one, two], { parallel: 1 }), quick);
    await until('both to be looked at', () => [one, two].every(({ requests }) => requests.length > 0));
    const both = ['a', 'b'].map(async () => await said(gateway, 'the same conversation'));
    await until('both to be asked', () => one.held === 1 && two.held === 1);
    one.flow();
    two.flow();
    await Promise.all(both);
  });

  test('is named by an operator, where what is asked is not about a model', async () => {
    await using one = await fakeUpstream(failing(404));
    await using two = await fakeUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"success"}');
    });
    await using gateway = await testGateway(boxes([one, two]), quick);
    const pull = async (headers: Record<string, string>): Promise<number> => {
      const response = await gateway.fetch('/api/pull', { method: 'POST', headers, body: '{"model":"alpha"}' });
      await response.text();
      return response.status;
    };
    assert.equal(await pull({}), 400);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'second' }), 200);
    assert.equal(await pull({ 'x-llamaduct-upstream': 'nobody' }), 400);
    assert.deepEqual([asked(one), asked(two)], [0, 1]);
  });
});
