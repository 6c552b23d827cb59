import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { resetting, silent } from '../helpers/answers.ts';
import { secret, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type Answer, type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** The last event of a stream of a chat completion. */
function lastEvent(text: string): { error?: { code: string; message: string } } {
  const events = text.trimEnd().split('\n\n');
  assert.doesNotMatch(text, /\[DONE\]/);
  return JSON.parse(events.at(-1)?.slice('data: '.length) ?? '') as { error?: { code: string; message: string } };
}

suite('a client that disconnects', () => {
  const phases: Record<string, { answer: Answer; body: object; phase: string | undefined }> = {
    'before the upstream answers': { answer: () => undefined, body: { stream: true }, phase: 'waiting' },
    'before the first line is complete': {
      answer: (res) => void ndjson(res).write('{"mess'),
      body: { stream: true },
      phase: undefined,
    },
    'in the middle of a stream': {
      answer: (res) => void ndjson(res).write(chatLine('Hello')),
      body: { stream: true },
      phase: 'streaming',
    },
    'before a whole answer starts': { answer: () => undefined, body: {}, phase: 'waiting' },
    'while a whole answer is generated': {
      answer: (res) => void ndjson(res).write(chatLine('Hello')),
      body: {},
      phase: undefined,
    },
  };
  for (const [name, { answer, body, phase }] of Object.entries(phases)) {
    test(`ends the upstream request: ${name}`, async () => {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream);
      const controller = new AbortController();
      const response = gateway.chat(body, { signal: controller.signal });
      const text = response.then(async (sent) => await sent.text());
      await until('the upstream request', () => upstream.open === 1);
      if (phase === 'streaming') await response;
      controller.abort();
      await assert.rejects(text, { name: 'AbortError' });
      await until('the end of the upstream request', () => upstream.open === 0, 1_000);
      await until('the log line', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'));
      const line = gateway.log.find(({ outcome }) => outcome === 'client_closed');
      assert.equal(line?.['error'], 'client_closed');
      if (phase !== undefined) assert.equal(line?.['phase'], phase);
      assert.equal(await gateway.metric(`llamaduct_disconnects_total{phase="${String(line?.['phase'])}"}`), 1);
      assert.equal(await gateway.metric('llamaduct_in_flight'), 1, 'only the request for the metrics');
    });
  }
});

suite('an upstream failure', { concurrency: true }, () => {
  const faults: Record<string, { answer: Answer; code: string; settings?: object }> = {
    'an error line': {
      answer: (res) => void ndjson(res).end(`${chatLine('Hel')}{"error":"unexpected EOF"}\n`),
      code: 'upstream_crashed',
    },
    'an end without a done line': {
      answer: (res) => void ndjson(res).end(chatLine('Hel')),
      code: 'upstream_incomplete',
    },
    'a closed connection': {
      answer: (res) => void ndjson(res).write(chatLine('Hel'), () => res.socket?.end()),
      code: 'upstream_incomplete',
    },
    'a line that is not JSON': {
      answer: (res) => void ndjson(res).end(`${chatLine('Hel')}<html>\n`),
      code: 'upstream_protocol_error',
    },
    'a line longer than `limits.line`': {
      answer: (res) => void ndjson(res).end(chatLine('Hel') + chatLine('x'.repeat(5000))),
      code: 'upstream_protocol_error',
      settings: { limits: { line: '4KiB' } },
    },
    'silence longer than `timeouts.idle`': {
      answer: (res) => void ndjson(res).write(chatLine('Hel')),
      code: 'upstream_idle_timeout',
      settings: { timeouts: { idle: '50ms' } },
    },
  };
  for (const [name, { answer, code, settings }] of Object.entries(faults)) {
    test(`in the middle of a stream gives an error event and no [DONE]: ${name}`, async () => {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream, { ...settings });
      const response = await gateway.chat({ stream: true });
      assert.equal(response.status, 200);
      const text = await response.text();
      assert.match(text, /"content":"Hel"/);
      assert.equal(lastEvent(text).error?.code, code);
      await until('the end of the upstream request', () => upstream.open === 0);
      assert.equal(await gateway.metric(`llamaduct_upstream_errors_total{upstream="ollama",code="${code}"}`), 1);
    });
  }

  const early: [name: string, answer: Answer, status: number, code: string][] = [
    ['an error line', (res) => void ndjson(res).end('{"error":"unexpected EOF"}\n'), 502, 'upstream_crashed'],
    ['an empty stream', (res) => void ndjson(res).end(), 502, 'upstream_incomplete'],
    ['a connection reset', resetting, 502, 'upstream_error'],
    ['an HTML page', (res) => void res.end('<html>'), 502, 'upstream_protocol_error'],
    [
      'a closed connection in the first line',
      (res) => void ndjson(res).write('{"mess', () => res.socket?.end()),
      502,
      'upstream_incomplete',
    ],
    ['silence longer than `timeouts.first_byte`', silent, 504, 'upstream_timeout'],
  ];
  for (const [name, answer, status, code] of early) {
    for (const stream of [true, false]) {
      const kind = stream ? 'streamed' : 'not streamed';
      test(`before the first token gives a ${status}: ${name}, ${kind}`, async () => {
        await using upstream = await fakeUpstream(answer);
        await using gateway = await testGateway(upstream, { timeouts: { first_byte: '100ms' } });
        const response = await gateway.chat({ stream });
        const body = (await response.json()) as { error: { code: string } };
        assert.deepEqual([response.status, body.error.code], [status, code]);
        assert.equal(response.headers.get('content-type'), 'application/json');
      });
    }
  }
});

suite('a stream', () => {
  test('leaves out what follows the done line, and its upstream connection is reused', async () => {
    const sockets = new Set<Socket>();
    await using upstream = await fakeUpstream((res) => {
      if (res.socket !== null) sockets.add(res.socket);
      ndjson(res).write(chatLine('Hello') + doneLine() + chatLine(' ghost'));
      setImmediate(() => res.end());
    });
    await using gateway = await testGateway(upstream);
    for (const stream of [true, false, true]) {
      const text = await (await gateway.chat({ stream })).text();
      assert.doesNotMatch(text, /ghost/);
      assert.match(text, stream ? /\[DONE\]\n\n$/ : /"content":"Hello"/);
      await until('the end of the upstream request', () => upstream.open === 0);
    }
    assert.equal(sockets.size, 1);
  });

  test('ends with the done line, although the upstream does not end its response', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hello') + doneLine()));
    await using gateway = await testGateway(upstream);
    assert.match(await (await gateway.chat({ stream: true })).text(), /\[DONE\]\n\n$/);
    assert.equal((await gateway.chat()).status, 200);
    await until('the end of the upstream request', () => upstream.open === 0);
  });

  test('sends every token as soon as it arrives', async () => {
    let next: (() => void) | undefined;
    await using upstream = await fakeUpstream(async (res) => {
      ndjson(res);
      for (const word of ['one', 'two', 'three']) {
        res.write(chatLine(word));
        await new Promise<void>((resolve) => {
          next = resolve;
        });
      }
      res.end(doneLine());
    });
    await using gateway = await testGateway(upstream);
    const reader = (await gateway.chat({ stream: true })).body?.pipeThrough(new TextDecoderStream()).getReader();
    for (const word of ['one', 'two', 'three']) {
      assert.match((await reader?.read())?.value ?? '', new RegExp(`"content":"${word}"`));
      next?.();
    }
    assert.match((await reader?.read())?.value ?? '', /"finish_reason":"stop".*\[DONE\]/s);
  });

  test('stops reading from the upstream when the client does not read', async () => {
    const offered = 64 * 1024 * 1024;
    let accepted = 0;
    await using upstream = await fakeUpstream(async (res) => {
      ndjson(res);
      const closed = once(res, 'close');
      const line = chatLine('x'.repeat(64 * 1024));
      while (accepted < offered && !res.destroyed) {
        accepted += line.length;
        if (!res.write(line)) await Promise.race([new Promise((resolve) => res.once('drain', resolve)), closed]);
      }
    });
    await using gateway = await testGateway(upstream);
    await using client = rawChat(gateway.url, { stream: true });
    await once(client.socket, 'readable');
    let before = -1;
    await until('no more reads for 100 ms', async () => {
      const stopped = accepted === before;
      before = accepted;
      await sleep(100);
      return stopped;
    });
    assert.ok(accepted < offered / 2, `${accepted} bytes were read from the upstream`);
  });
});

suite('a stream during the stop of the service', () => {
  async function draining(
    grace: string,
    answer: Answer,
  ): Promise<{ upstream: FakeUpstream; text: Promise<string>; closed: Promise<void>; url: string }> {
    const upstream = await fakeUpstream(answer);
    const gateway = await testGateway(upstream, { timeouts: { grace } });
    const response = await gateway.chat({ stream: true });
    const text = response.text();
    return { upstream, text, closed: gateway.close(), url: gateway.url };
  }

  test('is finished, while new connections are refused', async () => {
    let finish: (() => void) | undefined;
    const { upstream, text, closed, url } = await draining('10s', (res) => {
      ndjson(res).write(chatLine('Hello'));
      finish = () => res.end(doneLine());
    });
    await assert.rejects(fetch(`${url}/healthz`));
    finish?.();
    assert.match(await text, /\[DONE\]\n\n$/);
    await closed;
    await upstream[Symbol.asyncDispose]();
  });

  test('ends with an error event after the grace time', async () => {
    const { upstream, text, closed } = await draining('20ms', (res) => void ndjson(res).write(chatLine('Hello')));
    assert.equal(lastEvent(await text).error?.code, 'shutting_down');
    await closed;
    await until('the end of the upstream request', () => upstream.open === 0);
    await upstream[Symbol.asyncDispose]();
  });
});

test('the id of a request is unique, and the same in its header, body and log line', async () => {
  await using upstream = await fakeUpstream(plainAnswer());
  await using gateway = await testGateway(upstream);
  const seen = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const response = await gateway.chat();
    const { id } = (await response.json()) as { id: string };
    assert.match(id, /^chatcmpl-[0-9a-f]{32}$/);
    assert.equal(response.headers.get('x-request-id'), id);
    assert.ok(gateway.log.some(({ request_id }) => request_id === id));
    seen.add(id);
  }
  assert.equal(seen.size, 50);
  const own = await gateway.chat({}, { headers: { 'x-request-id': 'my-id.1' } });
  assert.equal(own.headers.get('x-request-id'), 'my-id.1');
  const invalid = await gateway.chat({}, { headers: { 'x-request-id': 'no spaces or "quotes"' } });
  assert.match(invalid.headers.get('x-request-id') ?? '', /^chatcmpl-/);
});

/** Sends a chat over a bare socket, which only the test reads. */
function rawChat(url: string, body: object): AsyncDisposable & { socket: Socket } {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const text = JSON.stringify({ model: 'scripted-plain', messages: [{ role: 'user', content: 'hi' }], ...body });
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${secret}\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
  );
  return {
    socket,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  };
}
