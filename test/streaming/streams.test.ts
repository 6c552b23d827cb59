import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { suite, test } from 'node:test';
import { secret, testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson, plainAnswer } from '../helpers/ollama-answers.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

/** The last event of a stream of a chat completion. */
function lastEvent(text: string): { error?: { code: string; message: string } } {
  const events = text.trimEnd().split('\n\n');
  assert.doesNotMatch(text, /\[DONE\]/);
  return JSON.parse(events.at(-1)?.slice('data: '.length) ?? '') as { error?: { code: string; message: string } };
}

suite('a client that leaves ends the upstream request', () => {
  const phases: Record<
    string,
    { answer: Parameters<typeof fakeUpstream>[0]; body: object; phase: string | undefined }
  > = {
    'before the upstream answers': { answer: () => undefined, body: { stream: true }, phase: 'waiting' },
    'before the first line is whole': {
      answer: (res) => void ndjson(res).write('{"mess'),
      body: { stream: true },
      phase: undefined,
    },
    'in the middle of a stream': {
      answer: (res) => void ndjson(res).write(chatLine('Hello')),
      body: { stream: true },
      phase: 'streaming',
    },
    'of a whole answer that is not there yet': { answer: () => undefined, body: {}, phase: 'waiting' },
    'of a whole answer that is being generated': {
      answer: (res) => void ndjson(res).write(chatLine('Hello')),
      body: {},
      phase: undefined,
    },
  };
  for (const [name, { answer, body, phase }] of Object.entries(phases)) {
    test(name, async () => {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream);
      const controller = new AbortController();
      const response = gateway.chat(body, { signal: controller.signal });
      const text = response.then(async (sent) => await sent.text());
      await until('the upstream to be asked', () => upstream.open === 1);
      if (phase === 'streaming') await response;
      controller.abort();
      await assert.rejects(text, { name: 'AbortError' });
      await until('the upstream request to end', () => upstream.open === 0, 1_000);
      await until('the exchange to end', () => gateway.log.some(({ outcome }) => outcome === 'client_closed'));
      const line = gateway.log.find(({ outcome }) => outcome === 'client_closed');
      assert.equal(line?.['error'], 'client_closed');
      if (phase !== undefined) assert.equal(line?.['phase'], phase);
      assert.equal(await gateway.metric(`llamaduct_disconnects_total{phase="${String(line?.['phase'])}"}`), 1);
      assert.equal(await gateway.metric('llamaduct_in_flight'), 1, 'only the request for the metrics');
    });
  }
});

suite('an upstream that breaks in the middle of a stream gives an error event and no [DONE]', () => {
  const faults: Record<string, { answer: Parameters<typeof fakeUpstream>[0]; code: string; settings?: object }> = {
    'an error line': {
      answer: (res) => void ndjson(res).end(`${chatLine('Hel')}{"error":"unexpected EOF"}\n`),
      code: 'upstream_error',
    },
    'an end without done': { answer: (res) => void ndjson(res).end(chatLine('Hel')), code: 'upstream_incomplete' },
    'a cut connection': {
      answer: (res) => void ndjson(res).write(chatLine('Hel'), () => res.socket?.end()),
      code: 'upstream_incomplete',
    },
    'a line that is not JSON': {
      answer: (res) => void ndjson(res).end(`${chatLine('Hel')}<html>\n`),
      code: 'upstream_protocol_error',
    },
    'a line over the cap': {
      answer: (res) => void ndjson(res).end(chatLine('Hel') + chatLine('x'.repeat(5000))),
      code: 'upstream_protocol_error',
      settings: { limits: { line: '4KiB' } },
    },
    silence: {
      answer: (res) => void ndjson(res).write(chatLine('Hel')),
      code: 'upstream_idle_timeout',
      settings: { timeouts: { idle: '50ms' } },
    },
  };
  for (const [name, { answer, code, settings }] of Object.entries(faults)) {
    test(name, async () => {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream, { ...settings });
      const response = await gateway.chat({ stream: true });
      assert.equal(response.status, 200);
      const text = await response.text();
      assert.match(text, /"content":"Hel"/);
      assert.equal(lastEvent(text).error?.code, code);
      await until('the upstream request to end', () => upstream.open === 0);
      assert.equal(await gateway.metric(`llamaduct_upstream_errors_total{upstream="ollama",code="${code}"}`), 1);
    });
  }

  test('the same faults before the first token are a status', async () => {
    const early: [Parameters<typeof fakeUpstream>[0], number, string][] = [
      [(res) => void ndjson(res).end('{"error":"unexpected EOF"}\n'), 502, 'upstream_error'],
      [(res) => void ndjson(res).end(), 502, 'upstream_incomplete'],
      [(res) => void res.destroy(), 502, 'upstream_error'],
      [(res) => void res.end('<html>'), 502, 'upstream_protocol_error'],
      [(res) => void ndjson(res).write('{"mess', () => res.socket?.end()), 502, 'upstream_incomplete'],
      [() => undefined, 504, 'upstream_timeout'],
    ];
    for (const [answer, status, code] of early) {
      await using upstream = await fakeUpstream(answer);
      await using gateway = await testGateway(upstream, { timeouts: { first_byte: '100ms' } });
      for (const stream of [true, false]) {
        const response = await gateway.chat({ stream });
        const body = (await response.json()) as { error: { code: string } };
        assert.deepEqual([response.status, body.error.code], [status, code]);
        assert.equal(response.headers.get('content-type'), 'application/json');
      }
    }
  });
});

suite('streams', () => {
  test('what follows the done line is not sent, and the connection is used again', async () => {
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
      await until('the upstream to be done', () => upstream.open === 0);
    }
    assert.equal(sockets.size, 1);
  });

  test('an upstream that does not close after its done line does not hold the client', async () => {
    await using upstream = await fakeUpstream((res) => void ndjson(res).write(chatLine('Hello') + doneLine()));
    await using gateway = await testGateway(upstream);
    assert.match(await (await gateway.chat({ stream: true })).text(), /\[DONE\]\n\n$/);
    assert.equal((await gateway.chat()).status, 200);
    await until('the upstream request to end', () => upstream.open === 0);
  });

  test('every token goes out when it comes in', async () => {
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

  test('a client that does not read slows the upstream down', async () => {
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
    await until('the upstream to stand still', async () => {
      const still = accepted === before;
      before = accepted;
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
      return still;
    });
    assert.ok(accepted < offered / 2, `${accepted} bytes were taken from the upstream`);
  });
});

suite('shutting down', () => {
  async function draining(
    grace: string,
    answer: Parameters<typeof fakeUpstream>[0],
  ): Promise<{ upstream: FakeUpstream; text: Promise<string>; closed: Promise<void>; url: string }> {
    const upstream = await fakeUpstream(answer);
    const gateway = await testGateway(upstream, { timeouts: { grace } });
    const response = await gateway.chat({ stream: true });
    const text = response.text();
    return { upstream, text, closed: gateway.close(), url: gateway.url };
  }

  test('lets a stream finish, and takes no new connection', async () => {
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

  test('ends a stream with an error event after the grace time', async () => {
    const { upstream, text, closed } = await draining('20ms', (res) => void ndjson(res).write(chatLine('Hello')));
    assert.equal(lastEvent(await text).error?.code, 'shutting_down');
    await closed;
    await until('the upstream request to end', () => upstream.open === 0);
    await upstream[Symbol.asyncDispose]();
  });
});

test('ids are unique, and the same in header, answer and log', async () => {
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
  const odd = await gateway.chat({}, { headers: { 'x-request-id': 'no spaces or "quotes"' } });
  assert.match(odd.headers.get('x-request-id') ?? '', /^chatcmpl-/);
});

/** A chat over a socket that nobody reads from unless the test does. */
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
