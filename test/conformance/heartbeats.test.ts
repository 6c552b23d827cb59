import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Translator } from '../../src/streaming/translator.ts';
import { backends } from '../../src/upstreams/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { framesOf } from '../helpers/heartbeats.ts';
import { fakeUpstream, openaiUpstream } from '../helpers/upstream.ts';
import { goldenText } from './golden.ts';
import { type Dialect, dialects, stable } from './replay.ts';
import { type Kind, kinds, streamsFor } from './streams.ts';

const maxLineBytes = 8 * 1024 * 1024;

function linesOf(body: Buffer): Buffer[] {
  return body
    .toString('latin1')
    .split(/(?<=\n)/)
    .map((line) => Buffer.from(line, 'latin1'));
}

/** @returns the stream with a heartbeat after each of `pieces` from the given one on */
function withHeartbeats(pieces: readonly Buffer[], kind: Kind, { call, head }: Dialect, from: number): string {
  const [request] = call.requests;
  const decoder = (emit: Parameters<(typeof backends)[Kind]['decoder']>[1]) =>
    backends[kind].decoder(request, emit, maxLineBytes);
  const translator = new Translator([decoder], call.encoder(head));
  let text = from === 0 ? translator.keepAlive() : '';
  for (const [index, bytes] of pieces.entries()) {
    text += translator.push({ type: 'bytes', choice: 0, bytes });
    if (index + 1 >= from) text += translator.keepAlive() + translator.keepAlive();
  }
  return stable(text + translator.push({ type: 'end', choice: 0 }));
}

function assertNumbered(text: string): void {
  const numbers = Array.from(text.matchAll(/"sequence_number":(\d+)\}\n\n/g), ([, number]) => Number(number));
  assert.deepEqual(numbers, [...numbers.keys()]);
}

for (const kind of kinds) {
  for (const dialect of dialects) {
    const { name, protocol } = dialect;
    if (!protocol.contentType.startsWith('text/event-stream')) {
      test(`${name} has no heartbeats, because each line of NDJSON is part of the answer: ${kind}`, () => {
        for (const recording of streamsFor(kind, dialect)) {
          const text = withHeartbeats(linesOf(recording.body), kind, dialect, 0);
          assert.equal(text, goldenText(dialect, recording), recording.name);
        }
      });
      continue;
    }
    test(`heartbeats leave the frames of ${name} as they are, wherever they come: recorded streams of ${kind}`, () => {
      for (const recording of streamsFor(kind, dialect)) {
        const lines = linesOf(recording.body);
        const expected = framesOf(goldenText(dialect, recording));
        for (const from of new Set([0, 1, 2, lines.length >> 1, lines.length - 1])) {
          const text = withHeartbeats(lines, kind, dialect, from);
          assert.deepEqual(framesOf(text), expected, `${recording.name}, from line ${from}`);
          assertNumbered(text);
        }
      }
    });
  }
}

suite('heartbeats over real sockets leave the frames as they are', { concurrency: 4 }, () => {
  for (const kind of kinds) {
    for (const dialect of dialects) {
      const { path, contentType, idPrefix } = dialect.protocol;
      const isTranslated = kind === 'ollama' || !path.endsWith('completions');
      if (!contentType.startsWith('text/event-stream') || !isTranslated) continue;
      for (const portable of [false, true]) {
        test(`${dialect.name} from ${kind}, through ${portable ? 'a web stream' : "Node's response"}`, async () => {
          const complete = streamsFor(kind, dialect).filter((one) => !/"error":[^n]/.test(goldenText(dialect, one)));
          assert.ok(complete.length > 5, String(complete.length));
          for (const recording of complete.filter((_, index) => index % 12 === 0)) {
            const start = kind === 'ollama' ? fakeUpstream : openaiUpstream;
            await using upstream = await start(async (res) => {
              res.writeHead(200, { 'content-type': recording.contentType ?? '' });
              for (const line of linesOf(recording.body)) {
                await sleep(3);
                res.write(line);
              }
              res.end();
            });
            await using gateway = await testGateway(upstream, {
              portable,
              timeouts: { silence: '2ms' },
              upstream: { kind },
            });
            const response = await gateway.fetch(path, { method: 'POST', body: JSON.stringify(dialect.body) });
            const id = (response.headers.get('x-request-id') ?? '').slice(idPrefix.length);
            const text = (await response.text()).replaceAll(id, 'golden');
            assert.deepEqual(timeless(text), timeless(goldenText(dialect, recording)), recording.name);
            assertNumbered(text);
          }
        });
      }
    }
  }
});

function timeless(text: string): string[] {
  return framesOf(stable(text).replaceAll(/"(created|created_at|completed_at)":\d+(\.\d+)?/g, '"$1":0'));
}
