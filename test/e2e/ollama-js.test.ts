import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChatResponse, type Message, Ollama } from 'ollama';
import { hashSecret } from '../../src/config/secret.ts';
import { secret } from '../helpers/gateway.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { recording } from '../helpers/recordings.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const messages = [{ role: 'user', content: 'hello' }];
const hello = { model: 'scripted-plain', messages };

function connect(
  { gateway }: Proxied,
  headers: Record<string, string> = { authorization: `Bearer ${secret}` },
): Ollama {
  return new Ollama({ host: gateway.url, headers });
}

function recorded(name: string): unknown {
  return JSON.parse(recording(name).body.toString('utf8'));
}

test('chat returns what Ollama sent, and the key is not sent to Ollama', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain'));
  assert.deepEqual(await connect(proxy).chat(hello), recorded('ollama-0.17.4/chat-plain'));
  assert.deepEqual(proxy.asked, [{ ...hello, stream: false }]);
  const [{ method, url, headers } = assert.fail()] = proxy.upstream.requests;
  assert.deepEqual([method, url, headers.authorization], ['POST', '/api/chat', undefined]);
});

test('chat streams every line that Ollama sent', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-think-true-stream'));
  const lines: ChatResponse[] = [];
  for await (const line of await connect(proxy).chat({ ...hello, stream: true, think: true })) lines.push(line);
  assert.equal(lines.map(({ message }) => message.thinking ?? '').join(''), texts.thought);
  assert.equal(lines.map(({ message }) => message.content).join(''), texts.greeting);
  const sent = recording('ollama-0.17.4/chat-think-true-stream').body.toString('utf8').trim().split('\n');
  assert.deepEqual(
    lines,
    sent.map((line): unknown => JSON.parse(line)),
  );
  assert.deepEqual(proxy.asked, [{ ...hello, stream: true, think: true }]);
});

test('options, format, images and keep_alive are passed through', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema'));
  const format = { type: 'object', properties: { name: { type: 'string' } } };
  const settings = { options: { num_ctx: 8192, seed: 7 }, keep_alive: '10m', format };
  const images = [Buffer.from('iVBORw0KGgo=', 'base64')];
  const answer = await connect(proxy).chat({
    model: 'm',
    messages: [{ role: 'user', content: 'see', images }],
    ...settings,
  });
  assert.deepEqual(JSON.parse(answer.message.content), { name: 'Alice', age: 30, tags: ['a', 'b'], note: 'say "hi"' });
  const seen = [{ role: 'user', content: 'see', images: ['iVBORw0KGgo='] }];
  assert.deepEqual(proxy.asked, [{ model: 'm', messages: seen, ...settings, stream: false }]);
});

test('tool calls reach the client, and their results reach Ollama', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/chat-tools-tool2-stream'), replay('ollama-0.17.4/chat-tools-result')),
  );
  const client = connect(proxy);
  const history: Message[] = [...messages];
  const reply: Message = { role: 'assistant', content: '', tool_calls: [] };
  for await (const { message } of await client.chat({ ...hello, stream: true })) {
    reply.tool_calls?.push(...(message.tool_calls ?? []));
  }
  history.push(reply);
  for (const { function: called } of reply.tool_calls ?? []) {
    history.push({ role: 'tool', tool_name: called.name, content: JSON.stringify(called.arguments) });
  }
  const answer = await client.chat({ ...hello, messages: history });
  assert.equal(answer.message.content, texts.weatherText);
  const toolResults = [
    { role: 'tool', tool_name: 'get_weather', content: '{"city":"Paris"}' },
    { role: 'tool', tool_name: 'get_time', content: '{"zone":"Asia/Tokyo"}' },
  ];
  assert.deepEqual(proxy.asked[1], { ...hello, messages: [...messages, reply, ...toolResults], stream: false });
});

test('generate returns what Ollama sent, streamed and not streamed', async () => {
  await using proxy = await proxied(
    inTurn(replay('ollama-0.17.4/generate-plain'), replay('ollama-0.17.4/generate-plain-stream')),
  );
  const client = connect(proxy);
  const whole = await client.generate({ model: 'scripted-plain', prompt: 'hello' });
  assert.deepEqual(whole, recorded('ollama-0.17.4/generate-plain'));
  let text = '';
  for await (const part of await client.generate({ model: 'scripted-plain', prompt: 'hello', stream: true }))
    text += part.response;
  assert.equal(text, texts.plainText);
  assert.deepEqual(
    proxy.upstream.requests.map(({ url }) => url),
    ['/api/generate', '/api/generate'],
  );
});

test('embed, embeddings, show, ps and version return what Ollama sent', async () => {
  const names = ['embed-array', 'embed-legacy', 'show-tools', 'ps-loaded', 'version'].map(
    (name) => `ollama-0.17.4/${name}`,
  );
  await using proxy = await proxied(inTurn(...names.map((name) => replay(name))));
  const client = connect(proxy);
  const answers = [
    await client.embed({ model: 'scripted-embed', input: ['hello', 'world 🎉'] }),
    await client.embeddings({ model: 'scripted-embed', prompt: 'hello' }),
    await client.show({ model: 'scripted-tools' }),
    await client.ps(),
    await client.version(),
  ];
  assert.deepEqual(answers, names.map(recorded));
  assert.deepEqual(
    proxy.upstream.requests.map(({ method, url }) => `${method} ${url}`),
    ['POST /api/embed', 'POST /api/embeddings', 'POST /api/show', 'GET /api/ps', 'GET /api/version'],
  );
  assert.equal(proxy.upstream.requests[0]?.body, '{"model":"scripted-embed","input":["hello","world 🎉"]}');
});

test('list returns the models of the upstream', async () => {
  await using proxy = await proxied(() => undefined, {}, ['scripted-plain:latest', 'hf.co/someone/model:Q4']);
  const { models } = await connect(proxy).list();
  assert.deepEqual(
    models.map(({ name }) => name),
    ['scripted-plain:latest', 'hf.co/someone/model:Q4'],
  );
});

test('accepts the key as the password of Basic authentication or as x-api-key', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/version'));
  const basic = `Basic ${Buffer.from(`me:${secret}`).toString('base64')}`;
  assert.deepEqual(await connect(proxy, { authorization: basic }).version(), { version: '0.17.4' });
  assert.deepEqual(await connect(proxy, { 'x-api-key': secret }).version(), { version: '0.17.4' });
});

test('pull needs the admin scope, and streams its progress', async () => {
  const keys = [
    { name: 'admin', hash: hashSecret(secret), scopes: ['admin'] },
    { name: 'user', hash: hashSecret('ld-user'), scopes: ['inference'] },
  ];
  const progress = ['pulling manifest', 'verifying sha256 digest', 'success'];
  await using proxy = await proxied(
    (res) =>
      void res
        .writeHead(200, { 'content-type': 'application/x-ndjson' })
        .end(progress.map((status) => `{"status":"${status}"}\n`).join('')),
    { keys },
  );
  const user = connect(proxy, { authorization: 'Bearer ld-user' });
  const forbidden = {
    name: 'ResponseError',
    status_code: 403,
    error: 'This request needs a key with the admin scope.',
  };
  await assert.rejects(user.pull({ model: 'm', stream: true }), forbidden);
  await assert.rejects(user.delete({ model: 'm' }), forbidden);
  assert.deepEqual(proxy.upstream.requests, []);
  const seen: string[] = [];
  for await (const { status } of await connect(proxy).pull({ model: 'm', stream: true })) seen.push(status);
  assert.deepEqual(seen, progress);
});

test('errors have a status and a text, as from Ollama', async () => {
  await using proxy = await proxied(
    inTurn(
      replay('ollama-0.17.4/chat-unknown-model-stream'),
      replay('ollama-0.17.4/show-unknown'),
      replay('ollama-0.17.4/busy-503'),
    ),
  );
  const client = connect(proxy);
  const unknown = { name: 'ResponseError', status_code: 404, message: "model 'no-such-model' not found" };
  await assert.rejects(client.chat({ ...hello, stream: true }), unknown);
  await assert.rejects(client.show({ model: 'no-such-model' }), unknown);
  await assert.rejects(client.chat(hello), { name: 'ResponseError', status_code: 503, message: texts.busyText });
  const intruder = connect(proxy, { authorization: 'Bearer wrong' });
  const unauthorized = { name: 'ResponseError', status_code: 401, message: 'Incorrect API key provided.' };
  await assert.rejects(intruder.chat(hello), unauthorized);
  await assert.rejects(intruder.list(), unauthorized);
  assert.equal(proxy.upstream.requests.length, 3);
});

const streamFailures = [
  {
    name: 'an error line in mid-stream',
    answer: replay('ollama-0.17.4/killed-runner-chat-stream'),
    received: ' item1 item2 item3 ite',
    expected: { name: 'Error', message: texts.killedRunnerText },
  },
  {
    name: 'a connection broken in mid-stream',
    answer: replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'break' }),
    received: 'Hello! I',
    expected: { name: 'Error', message: 'The upstream broke the connection in the middle of its answer.' },
  },
  {
    name: 'a stream that ends without a done line',
    answer: replay('ollama-0.17.4/chat-repeat-stream'),
    received: ' ha'.repeat(31),
    expected: { name: 'Error', message: 'The model stopped before its answer was complete.' },
  },
];

for (const { name, answer, received, expected } of streamFailures) {
  test(`chat throws after ${name}`, async () => {
    await using proxy = await proxied(answer);
    let text = '';
    const read = async (): Promise<void> => {
      for await (const { message } of await connect(proxy).chat({ ...hello, stream: true })) text += message.content;
    };
    await assert.rejects(read(), expected);
    assert.equal(text, received);
  });
}

test('chat throws when an answer that is not streamed is cut off', async () => {
  await using proxy = await proxied((res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).write('{"model":"scripted-plain",', () => res.destroy());
  });
  await assert.rejects(connect(proxy).chat(hello), { name: 'TypeError', message: 'terminated' });
});

test('an unreachable upstream gives a 502 that does not reveal its address', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain'));
  await proxy.upstream[Symbol.asyncDispose]();
  const expected = { name: 'ResponseError', status_code: 502, message: 'The upstream cannot be reached.' };
  await assert.rejects(connect(proxy).chat(hello), expected);
});

test('aborting a stream aborts the upstream request', async () => {
  await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
  const stream = await connect(proxy).chat({ ...hello, stream: true });
  let received = '';
  const read = async (): Promise<void> => {
    for await (const { message } of stream) {
      received += message.content;
      if (received === 'Hello! I') stream.abort();
    }
  };
  await assert.rejects(read(), { name: 'AbortError' });
  assert.equal(await proxy.phaseLeft(), 'streaming');
});

for (const stream of [true, false]) {
  test(`leaving before the first byte aborts the upstream request, stream: ${stream}`, async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 0, after: 'hold' }));
    const controller = new AbortController();
    // The client's own abort() affects only streams that have begun.
    const client = new Ollama({
      host: proxy.gateway.url,
      headers: { authorization: `Bearer ${secret}` },
      fetch: async (input, init) => await fetch(input, { ...init, signal: controller.signal }),
    });
    const aborted = assert.rejects(stream ? client.chat({ ...hello, stream }) : client.chat(hello), {
      name: 'AbortError',
    });
    await proxy.reached();
    controller.abort();
    await aborted;
    assert.equal(await proxy.phaseLeft(), 'waiting');
  });
}
