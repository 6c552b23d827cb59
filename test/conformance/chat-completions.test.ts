import assert from 'node:assert/strict';
import { join } from 'node:path';
import { mock, suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import { type Recording, recordings } from '../helpers/recordings.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { chatCompletionEncoder, head, translate } from './replay.ts';

/** Streams of `/api/chat` that began with status 200, errors in the middle of them included. */
const streams = recordings(/-stream$/).filter(({ path, status }) => path === '/api/chat' && status === 200);
const golden = (recording: Recording, extension: string): string =>
  join(import.meta.dirname, '../golden/chat-completions', `${recording.name}.${extension}`);
const exact = { serializers: [(value: string) => value] };

suite('chat completions from recorded streams of /api/chat', () => {
  test('both servers were recorded', () => {
    for (const server of ['ollama-0.17.4/', 'ollama-0.33/']) {
      assert.ok(streams.filter(({ name }) => name.startsWith(server)).length > 60, server);
    }
  });

  for (const stream of streams) {
    test(`${stream.name}: the golden bytes`, (t) => {
      t.assert.fileSnapshot(translate([stream.body], chatCompletionEncoder()), golden(stream, 'sse'), exact);
    });

    test(`${stream.name}: the same bytes however it is cut in two`, () => {
      const whole = translate([stream.body], chatCompletionEncoder());
      // Every position; in the few long recordings every 31st, as each costs a pass over all of them.
      const step = stream.body.length > 12_000 ? 31 : 1;
      for (let cut = 1; cut < stream.body.length; cut += step) {
        const text = translate([stream.body.subarray(0, cut), stream.body.subarray(cut)], chatCompletionEncoder());
        if (text !== whole) assert.equal(text, whole, `cut at byte ${cut}`);
      }
    });
  }
});

suite('chat completions over real sockets', () => {
  /** Byte by byte, each byte an HTTP chunk of its own: it reaches the decoder alone, whatever TCP joins. */
  const cuts: Record<string, (body: Buffer) => Iterable<Uint8Array>> = {
    whole: (body) => [body],
    'byte by byte': function* (body) {
      for (let at = 0; at < body.length; at += 1) yield body.subarray(at, at + 1);
    },
  };

  for (const [cutName, cut] of Object.entries(cuts)) {
    test(`every recording, sent ${cutName}, gives the golden bytes or its error's status`, async (t) => {
      mock.timers.enable({ apis: ['Date'], now: head.created * 1000 });
      t.after(() => mock.timers.reset());
      let current: Recording | undefined;
      await using upstream = await fakeUpstream((res) => {
        assert.ok(current);
        res.writeHead(200, { 'content-type': 'application/x-ndjson' });
        for (const piece of cut(current.body)) res.write(piece);
        if (current.complete) res.end();
        else res.write('\n', () => res.socket?.end());
      });
      await using gateway = await testGateway(upstream);
      const long = cutName === 'byte by byte' ? 20_000 : Infinity;
      for (current of streams.filter(({ body }) => body.length < long)) {
        const response = await gateway.chat(
          { model: head.model, stream: true, stream_options: { include_usage: true } },
          { headers: { 'x-request-id': head.id } },
        );
        const text = await response.text();
        const expected = translate([current.body], chatCompletionEncoder());
        if (response.status === 200) {
          if (current.complete) assert.equal(text, expected, current.name);
          else assert.ok(text.startsWith(expected.slice(0, expected.lastIndexOf('data: {"error"'))), current.name);
        } else {
          assert.deepEqual(JSON.parse(text), JSON.parse(expected.slice('data: '.length)), current.name);
        }
      }
      assert.equal(upstream.requests.length, streams.filter(({ body }) => body.length < long).length);
    });
  }

  test('every recording, not streamed, gives the golden body', async (t) => {
    mock.timers.enable({ apis: ['Date'], now: head.created * 1000 });
    t.after(() => mock.timers.reset());
    let current: Recording | undefined;
    await using upstream = await fakeUpstream((res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      res.end(current?.body);
    });
    await using gateway = await testGateway(upstream);
    for (current of streams) {
      const response = await gateway.chat({ model: head.model }, { headers: { 'x-request-id': head.id } });
      const body = JSON.stringify(await response.json(), undefined, 2);
      t.assert.fileSnapshot(`${response.status}\n${body}\n`, golden(current, 'json'), exact);
    }
  });
});
