import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { suite, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Answer, fakeUpstream } from '../helpers/upstream.ts';

/** Writes raw bytes again and again until the connection closes. */
function forever({ socket }: ServerResponse, bytes: string): void {
  const timer = setInterval(() => socket?.write(bytes), 10);
  socket?.once('close', () => clearInterval(timer));
}

interface ErrorBody {
  readonly error: { readonly message: string; readonly code: string } | string;
}

/** The status and the error of a chat on each of two routes: one is translated, the other passed through. */
async function chats(gateway: TestGateway): Promise<[number, ErrorBody | undefined][]> {
  const body = JSON.stringify({
    model: 'scripted-plain',
    stream: false,
    messages: [{ role: 'user', content: 'hi' }],
  });
  return await Promise.all(
    ['/v1/chat/completions', '/api/chat'].map(async (path): Promise<[number, ErrorBody | undefined]> => {
      const response = await gateway.fetch(path, { method: 'POST', body });
      return [response.status, await response.json().catch(() => undefined)] as [number, ErrorBody | undefined];
    }),
  );
}

suite('an upstream', { concurrency: true }, () => {
  test('that sends informational responses without end is given up after timeouts.first_byte', async () => {
    await using upstream = await fakeUpstream((res) => forever(res, 'HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n'));
    await using gateway = await testGateway(upstream, { timeouts: { first_byte: '300ms' } });
    for (const [status] of await chats(gateway)) assert.equal(status, 504);
  });

  test('that sends a status line without end is given up after timeouts.first_byte', async () => {
    await using upstream = await fakeUpstream((res) => {
      res.socket?.write('HTTP/1.1 200 O');
      forever(res, 'K');
    });
    await using gateway = await testGateway(upstream, { timeouts: { first_byte: '300ms' } });
    for (const [status] of await chats(gateway)) assert.equal(status, 504);
  });

  test('that may send a 103 and then its answer is served', async () => {
    await using upstream = await fakeUpstream((res) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload' });
      ndjson(res).end(chatLine('heron') + doneLine());
    });
    await using gateway = await testGateway(upstream);
    for (const [status] of await chats(gateway)) assert.equal(status, 200);
  });

  test('that never ends its error is given up after timeouts.idle', async () => {
    await using upstream = await fakeUpstream((res) => {
      res.writeHead(500, { 'content-type': 'application/json' }).write('{"error":"');
      forever(res, '1\r\nx\r\n');
    });
    await using gateway = await testGateway(upstream, { timeouts: { idle: '300ms' } });
    const [translated] = await chats(gateway);
    assert.equal(translated?.[0], 504);
    assert.equal(await gateway.metric('llamaduct_in_flight'), 1);
  });

  test('that sends a status beyond 599 is reported as a 502', async () => {
    for (const status of [600, 999]) {
      await using upstream = await fakeUpstream(({ socket }) => {
        socket?.end(`HTTP/1.1 ${status} Odd\r\ncontent-length: 2\r\n\r\n{}`);
      });
      await using gateway = await testGateway(upstream);
      for (const [seen] of await chats(gateway)) assert.equal(seen, 502);
    }
  });
});

test('no counts of an upstream make a metric infinite, negative or NaN', async () => {
  const hostile = [1e308, -1, -1e308, 0.5, 1e-300, '5', null, 1e300];
  const answers = hostile.map((count) =>
    doneLine({
      eval_count: count,
      prompt_eval_count: count,
      eval_duration: count,
      prompt_eval_duration: count,
      load_duration: count,
      total_duration: count,
    }),
  );
  // JSON has no Infinity, but JSON.parse reads it from this.
  answers.push(doneLine().replaceAll(/"eval_(count|duration)":\d+/g, '"eval_$1":1e999'));
  let next = 0;
  const answer: Answer = (res) => {
    ndjson(res).end(chatLine('heron') + String(answers[next % answers.length]));
    next += 1;
  };
  await using upstream = await fakeUpstream(answer);
  await using gateway = await testGateway(upstream);
  for (let count = 0; count < answers.length; count += 1) await chats(gateway);
  const text = await (await gateway.fetch('/metrics')).text();
  const values = text
    .split('\n')
    .filter((line) => /^llamaduct_(tokens|upstream|time_per)/.test(line))
    .map((line) => Number(line.split(' ').at(-1)));
  assert.ok(values.length > 10);
  assert.deepEqual(
    values.filter((value) => !(value >= 0 && value < 1e10)),
    [],
  );
});
