import assert from 'node:assert/strict';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { keyOf, posted, tester } from '../limits/limited.ts';

const model = 'scripted-plain:latest';
const MiB = 1024 * 1024;
/** Bytes of a body, of which two fit into half of 4 MiB. */
const large = Math.floor(0.9 * MiB);

function chat(content = 'hi'): object {
  return { model, messages: [{ role: 'user', content }] };
}

/** Requests of a key whose bodies do not arrive. */
interface Held {
  /** Status of each that was answered. */
  readonly statuses: number[];
  close(): void;
}

function holdRequests({ url }: TestGateway, count: number, { key = '', length = 100 }): Held {
  const statuses: number[] = [];
  const sockets: Socket[] = Array.from({ length: count }, () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    socket.once('data', (data: Buffer) => statuses.push(Number(data.toString().split(' ')[1])));
    const authorization = key === '' ? '' : `authorization: Bearer ${key}\r\n`;
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorization}content-length: ${length}\r\n\r\n{`,
    );
    return socket;
  });
  return {
    statuses,
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function start(settings: Record<string, unknown>): Promise<TestGateway & { readonly upstream: FakeUpstream }> {
  const upstream = await fakeUpstream(plainAnswer());
  const gateway = await testGateway(upstream, {
    keys: [tester, keyOf('mallory'), keyOf('bob'), keyOf('carol', { group: 'large' })],
    groups: { large: { in_flight: 6 } },
    ...settings,
  });
  return {
    ...gateway,
    upstream,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

const ask = async (gateway: TestGateway, key: string, content?: string): Promise<Response> =>
  await gateway.fetch('/v1/chat/completions', posted(chat(content), key));

suite('limits.in_flight', { concurrency: true }, () => {
  test('gives a key at most a quarter, so that others still get their turn', async () => {
    await using gateway = await start({ limits: { in_flight: 8 } });
    const held = holdRequests(gateway, 20, { key: 'mallory' });
    await until('the refusals', () => held.statuses.length === 18);
    assert.deepEqual(new Set(held.statuses), new Set([429]));
    const refused = await ask(gateway, 'mallory');
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('retry-after'), '2');
    assert.match(await refused.text(), /at most 2 may be/);
    assert.equal((await ask(gateway, 'bob')).status, 200);
    assert.equal(await gateway.metric('llamaduct_rate_limited_total{key="mallory",limit="in_flight"}'), 19);
    held.close();
    await until('the end of the held requests', async () => (await ask(gateway, 'mallory')).status === 200);
  });

  test('gives a key what its group says instead', async () => {
    await using gateway = await start({ limits: { in_flight: 8 } });
    const held = holdRequests(gateway, 10, { key: 'carol' });
    await until('the refusals', () => held.statuses.length === 4);
    assert.equal((await ask(gateway, 'bob')).status, 200);
    held.close();
  });

  test('is a 503 for one more when all keys together have that many', async () => {
    await using gateway = await start({ limits: { in_flight: 4 }, groups: { large: { in_flight: 4 } } });
    const held = holdRequests(gateway, 4, { key: 'carol' });
    await until('four requests', async () => (await ask(gateway, 'bob')).status === 503);
    held.close();
    await until('the end of the held requests', async () => (await ask(gateway, 'bob')).status === 200);
  });

  test('counts only requests with a valid key', async () => {
    await using gateway = await start({ limits: { in_flight: 4 } });
    const held = holdRequests(gateway, 20, { key: 'unknown' });
    await until('the refusals', () => held.statuses.length === 20);
    assert.deepEqual(new Set(held.statuses), new Set([401]));
    assert.equal((await ask(gateway, 'bob')).status, 200);
    held.close();
  });

  test('counts requests without a key by their address when no key is needed', async () => {
    await using gateway = await start({ limits: { in_flight: 8 }, access: 'open' });
    const held = holdRequests(gateway, 5, {});
    await until('the refusals', () => held.statuses.length === 3);
    assert.deepEqual(held.statuses, [429, 429, 429]);
    assert.equal((await ask(gateway, 'bob')).status, 200);
    held.close();
  });
});

suite('limits.bodies_total', { concurrency: true }, () => {
  const limits = { body: '1MiB', bodies_total: '4MiB' };

  test('gives a key at most half, and refuses the next body before it is read', async () => {
    await using gateway = await start({ limits });
    const held = holdRequests(gateway, 3, { key: 'mallory', length: large });
    await until('the refusal of the third', () => held.statuses.length === 1);
    assert.deepEqual(held.statuses, [503]);
    const refused = await ask(gateway, 'mallory', 'x'.repeat(0.5 * MiB));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get('retry-after'), '2');
    assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'server_overloaded');
    assert.equal((await ask(gateway, 'mallory')).status, 200);
    assert.equal((await ask(gateway, 'bob', 'x'.repeat(large))).status, 200);
    held.close();
    await until('the memory to be free', async () => (await ask(gateway, 'mallory', 'x'.repeat(large))).status === 200);
  });

  test('is a 503 for one more when all keys together hold that much', async () => {
    await using gateway = await start({ limits });
    const held = ['mallory', 'bob'].map((key) => holdRequests(gateway, 2, { key, length: large }));
    await until(
      'the memory to be full',
      async () => (await ask(gateway, 'carol', 'x'.repeat(0.6 * MiB))).status === 503,
    );
    assert.equal((await ask(gateway, 'carol', 'x'.repeat(0.2 * MiB))).status, 200);
    for (const one of held) one.close();
  });

  test('counts a body without a declared length as it arrives', async () => {
    await using gateway = await start({ limits });
    const held = holdRequests(gateway, 2, { key: 'mallory', length: large });
    const body = new Blob([JSON.stringify(chat('x'.repeat(large)))]).stream();
    await until('the two bodies', async () => (await ask(gateway, 'mallory', 'x'.repeat(0.5 * MiB))).status === 503);
    const response = await gateway.fetch('/v1/chat/completions', {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer mallory' },
      duplex: 'half',
    });
    assert.equal(response.status, 503);
    held.close();
  });

  test('counts a body until its request ends, and once more for each choice', async () => {
    const waiting: (() => void)[] = [];
    await using upstream = await fakeUpstream(async (res, request) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return await plainAnswer()(res, request);
    });
    await using gateway = await testGateway(upstream, { keys: [tester, keyOf('mallory')], limits });
    const running = ask(gateway, 'mallory', 'x'.repeat(large));
    await until('the upstream request', () => upstream.requests.length === 1);
    const choices = { ...chat('x'.repeat(0.3 * MiB)), n: 4 };
    const refused = await gateway.fetch('/v1/chat/completions', posted(choices, 'mallory'));
    assert.equal(refused.status, 503);
    assert.equal(upstream.requests.length, 1);
    waiting.shift()?.();
    assert.equal((await running).status, 200);
    const served = gateway.fetch('/v1/chat/completions', posted(choices, 'mallory'));
    await until('four upstream requests', () => upstream.requests.length === 5);
    for (const release of waiting) release();
    assert.equal((await served).status, 200);
  });

  test('counts the values in a body as well, because objects take more memory than their text', async () => {
    await using upstream = await fakeUpstream(() => undefined);
    await using gateway = await testGateway(upstream, { keys: [tester, keyOf('mallory')], limits });
    const body = { ...chat(), options: { a: Array.from({ length: 12_000 }, () => ({})) } };
    const abort = new AbortController();
    const first = gateway.fetch('/api/chat', posted(body, 'mallory', { signal: abort.signal })).catch(() => undefined);
    await until('the upstream request', () => upstream.requests.length === 1);
    assert.equal((await gateway.fetch('/api/chat', posted(body, 'mallory'))).status, 503);
    abort.abort();
    await first;
  });
});

suite('a JSON body', { concurrency: true }, () => {
  const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/embeddings', '/api/chat', '/api/show'];

  for (const [limit, value, message] of [
    ['values', Array.from({ length: 2_000 }, () => 0), /more than 1500 values/],
    ['fields', Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, 0])), /more than 200 fields/],
  ] as const) {
    test(`beyond limits.${limit} is a 400 in every API`, async () => {
      await using upstream = await fakeUpstream(plainAnswer());
      await using gateway = await testGateway(upstream, { limits: { values: 1_500, fields: 200 } });
      for (const path of paths) {
        // It takes as many tokens as OpenAI does.
        if (limit === 'values' && path === '/v1/embeddings') continue;
        const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify({ ...chat(), x: value }) });
        assert.equal(response.status, 400, path);
        assert.match(await response.text(), message, path);
      }
      assert.equal(upstream.requests.length, 0);
    });
  }

  test('of a long conversation, many tools and large images is served', async () => {
    await using upstream = await fakeUpstream(plainAnswer());
    await using gateway = await testGateway(upstream);
    const image = `data:image/png;base64,iVBORw0KGgo${'A'.repeat(15 * MiB)}`;
    const messages = Array.from({ length: 2_000 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: `message ${index} `.repeat(20),
    }));
    const content = [{ type: 'image_url', image_url: { url: image } }];
    const tools = Array.from({ length: 200 }, (_, index) => ({
      type: 'function',
      function: { name: `f${index}`, parameters: { type: 'object', properties: { a: { type: 'string' } } } },
    }));
    const response = await gateway.chat({ model, messages: [...messages, { role: 'user', content }], tools });
    assert.equal(response.status, 200, await response.text());
  });
});

test('JSON in the arguments of tool calls is parsed only within limits, and is a text beyond them', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const call = (args: string): object => ({ id: 'c', type: 'function', function: { name: 'f', arguments: args } });
  const list = JSON.stringify({ list: Array.from({ length: 60_000 }, () => 0) });
  const fields = JSON.stringify(Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`f${n}`, 0])));
  const sentFor = async (...args: string[]): Promise<(string | undefined)[]> => {
    const message = { role: 'assistant', content: '', tool_calls: args.map(call) };
    const response = await gateway.chat({ messages: [message, { role: 'user', content: 'x' }] });
    assert.equal(response.status, 200, await response.text());
    const { messages } = JSON.parse(upstream.requests.at(-1)?.body ?? '') as {
      messages: { tool_calls: { function: { arguments: { arguments?: string } } }[] }[];
    };
    return messages[0]?.tool_calls.map((sent) => sent.function.arguments.arguments) ?? [];
  };
  assert.deepEqual(await sentFor(list), [undefined]);
  assert.deepEqual(await sentFor(list, list), [undefined, list]);
  assert.deepEqual(await sentFor(fields), [fields]);
});
