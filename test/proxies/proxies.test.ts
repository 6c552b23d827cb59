import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type IncomingMessage, request as send } from 'node:http';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createGunzip } from 'node:zlib';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { chunk, usageChunk } from '../helpers/openai-answers.ts';
import { streamedBodies } from '../helpers/streamed-bodies.ts';
import { type Answer, type FakeUpstream, fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';
import { type Proxy, haproxy, nginx } from './proxies.ts';

const kinds = ['ollama', 'openai'] as const;
type Kind = (typeof kinds)[number];

type Path = keyof typeof streamedBodies;

const words = ['alpha', 'beta', 'gamma'];

/** Writes one word of an answer, in the format of the path that is asked. */
function writeWord(res: ServerResponse, url: string, word: string): void {
  if (!res.headersSent) {
    if (url.startsWith('/v1')) res.writeHead(200, { 'content-type': 'text/event-stream' });
    else ndjson(res);
  }
  if (url === '/api/pull') res.write(`{"status":"${word}"}\n`);
  else if (url === '/api/generate') res.write(chatLine('', { message: undefined, response: word }));
  else if (url === '/api/chat') res.write(chatLine(word));
  else res.write(`data: ${JSON.stringify(url === '/v1/completions' ? textChunk(word) : chunk({ content: word }))}\n\n`);
}

function textChunk(text: string): object {
  const envelope = { id: 'cmpl-1', object: 'text_completion', created: 1, model: 'scripted' };
  return { ...envelope, choices: [{ index: 0, text, logprobs: null, finish_reason: null }] };
}

function writeEnd(res: ServerResponse, url: string): void {
  if (url === '/api/pull') return void res.end('{"status":"success"}\n');
  if (!url.startsWith('/v1')) return void res.end(doneLine(url === '/api/generate' ? { response: '' } : {}));
  const last = url === '/v1/completions' ? { ...textChunk(''), choices: [] } : chunk({}, 'stop');
  res.end(`data: ${JSON.stringify(last)}\n\ndata: ${JSON.stringify(usageChunk(1, 3))}\n\ndata: [DONE]\n\n`);
}

/** Answers with the words, each only when `go` says so. */
function wordByWord(go: (count: number) => Promise<void>): Answer {
  return async (res, { url }) => {
    for (const [index, word] of words.entries()) {
      await go(index);
      writeWord(res, url, word);
    }
    await go(words.length);
    writeEnd(res, url);
  };
}

/** A response that is read as it comes. */
interface Reading {
  readonly response: IncomingMessage;
  readonly text: () => string;
  readonly ended: Promise<unknown>;
}

async function ask(
  proxy: Proxy,
  kind: Kind,
  path: Path,
  headers: Record<string, string> = {},
  fields: object = {},
): Promise<Reading> {
  const model = kind === 'ollama' ? 'scripted-plain' : 'scripted';
  const body = JSON.stringify({ model, ...streamedBodies[path], ...fields });
  const outgoing = send({
    socketPath: proxy.socket,
    path,
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
  });
  outgoing.end(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
  });
  let text = '';
  const isCompressed = response.headers['content-encoding'] === 'gzip';
  const decoded = isCompressed ? response.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH })) : response;
  decoded.on('data', (data: Buffer) => (text += data.toString()));
  const ended = new Promise((resolve) => {
    decoded.once('close', resolve).once('error', resolve);
  });
  return { response, text: () => text, ended };
}

async function start(
  kind: Kind,
  answer: Answer,
  timeouts: object = {},
  proxies: readonly string[] = [],
): Promise<{ upstream: FakeUpstream; gateway: TestGateway }> {
  const upstream = await (kind === 'ollama' ? fakeUpstream(answer) : openaiUpstream(answer));
  return {
    upstream,
    gateway: await testGateway(upstream, {
      timeouts: { grace: '100ms', ...timeouts },
      trusted_proxies: proxies,
      upstream: { kind },
    }),
  };
}

for (const { name, skip, start: startProxy } of [nginx, haproxy]) {
  suite(`${name} in front of llamaduct`, { skip, concurrency: 2 }, () => {
    for (const compresses of name === 'nginx' ? [false, true] : [false]) {
      for (const kind of kinds) {
        for (const path of Object.keys(streamedBodies) as Path[]) {
          if (kind === 'openai' && path === '/api/pull') continue;
          const how = compresses ? ', compressed' : '';
          test(`passes on each word before the next one comes: ${path}, ${kind}${how}`, async () => {
            let reading: Reading | undefined;
            const hasSeen = async (count: number): Promise<void> => {
              const word = words[count - 1];
              if (word !== undefined) await until(word, () => reading?.text().includes(word) === true, 10_000);
            };
            const { upstream, gateway } = await start(kind, wordByWord(hasSeen));
            await using _upstream = upstream;
            await using _gateway = gateway;
            await using proxy = await startProxy(gateway.url, { compresses });
            reading = await ask(proxy, kind, path, compresses ? { 'accept-encoding': 'gzip' } : {});
            await reading.ended;
            assert.equal(reading.response.statusCode, 200);
            assert.equal(reading.response.headers['content-encoding'], compresses ? 'gzip' : undefined);
            assert.match(reading.text(), /gamma[^]*(\[DONE\]|"done":true|message_stop|response\.completed|success)/);
          });
        }
      }
    }

    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/messages'] as const) {
      test(`does not cut off a stream that is silent for longer than its timeout: ${path}`, async () => {
        const pause = async (count: number): Promise<void> => {
          if (count < 2) await sleep(1_500);
        };
        const { upstream, gateway } = await start('ollama', wordByWord(pause), { silence: '200ms' });
        await using _upstream = upstream;
        await using _gateway = gateway;
        await using proxy = await startProxy(gateway.url, { timeout: 1 });
        const reading = await ask(proxy, 'ollama', path);
        await reading.ended;
        assert.match(reading.text(), /gamma[^]*(\[DONE\]|message_stop|response\.completed)/);
      });
    }

    for (const path of ['/v1/chat/completions', '/v1/messages', '/api/chat'] as const) {
      test(`passes on that the client has left: ${path}`, async () => {
        const never = async (count: number): Promise<void> => {
          if (count > 0) await new Promise(() => undefined);
        };
        const { upstream, gateway } = await start('ollama', wordByWord(never));
        await using _upstream = upstream;
        await using _gateway = gateway;
        await using proxy = await startProxy(gateway.url);
        const reading = await ask(proxy, 'ollama', path);
        await until('the first word', () => reading.text().includes('alpha'));
        reading.response.destroy();
        await until('the end of the upstream request', () => upstream.open === 0);
        await until('the log line', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'));
      });
    }

    test('passes on the health checks', async () => {
      const { upstream, gateway } = await start(
        'ollama',
        wordByWord(async () => undefined),
      );
      await using _upstream = upstream;
      await using _gateway = gateway;
      await using proxy = await startProxy(gateway.url);
      for (const path of ['/healthz', '/readyz']) {
        const status = await new Promise((resolve) => {
          const request = send({ socketPath: proxy.socket, path }, (response) => {
            response.resume();
            resolve(response.statusCode);
          });
          request.end();
        });
        assert.equal(status, 200, path);
      }
    });
  });
}

for (const { name, skip, start: startProxy } of [nginx, haproxy]) {
  suite(`the example for ${name} in deploy`, { skip }, () => {
    test('streams, and shows llamaduct the address of the client', async () => {
      const { upstream, gateway } = await start(
        'ollama',
        wordByWord(async () => undefined),
        {},
        ['127.0.0.1'],
      );
      await using _upstream = upstream;
      await using _gateway = gateway;
      await using proxy = await startProxy(gateway.url, { isExample: true });
      // On a Unix socket: nginx is told to take the address from the one, HAProxy passes on the other.
      const forwarded = { 'x-real-ip': '192.0.2.7', 'x-forwarded-for': '192.0.2.7' };
      await until(
        'a server that is up',
        async () => (await proxy.states?.().then((text) => /^one UP L7OK$/m.test(text))) ?? true,
      );
      const reading = await ask(proxy, 'ollama', '/v1/chat/completions', forwarded);
      await reading.ended;
      assert.match(reading.text(), /alpha[^]*beta[^]*gamma[^]*\[DONE\]/);
      const line = gateway.log.find(({ route }) => route === '/v1/chat/completions');
      assert.equal(line?.['client'], '192.0.2.7');
    });

    test('accepts a prompt of 5 MB', async () => {
      const { upstream, gateway } = await start(
        'ollama',
        wordByWord(async () => undefined),
      );
      await using _upstream = upstream;
      await using _gateway = gateway;
      await using proxy = await startProxy(gateway.url, { isExample: true });
      const content = 'x'.repeat(5_000_000);
      const reading = await ask(proxy, 'ollama', '/v1/chat/completions', {}, { messages: [{ role: 'user', content }] });
      await reading.ended;
      assert.match(reading.text(), /gamma/);
      assert.match(upstream.requests.at(-1)?.body ?? '', /x{5000000}/);
    });
  });
}

suite("HAProxy's health check, HTTP/1.0 without a Host header", { skip: haproxy.skip }, () => {
  for (const check of ['GET /healthz', 'GET /readyz', 'HEAD /healthz']) {
    test(`finds llamaduct up, and down once it has stopped: ${check}`, async () => {
      const { upstream, gateway } = await start(
        'ollama',
        wordByWord(async () => undefined),
      );
      await using _upstream = upstream;
      await using proxy = await haproxy.start(gateway.url, { check });
      const seen = async (state: RegExp): Promise<boolean> => state.test((await proxy.states?.()) ?? '');
      await until('a check that passes', async () => await seen(/^one UP L7OK$/m));
      await gateway.close();
      await until('a check that fails', async () => await seen(/^one DOWN /m));
    });
  }
});
