import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { mock, suite, test } from 'node:test';
import { Client } from 'undici';
import { secret, testGateway } from '../helpers/gateway.ts';
import type { Recording } from '../helpers/recordings.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';
import { goldenText } from './golden.ts';
import { type Dialect, dialects, stable } from './replay.ts';
import { type Kind, kinds, streamsFor } from './streams.ts';

/** The two outlets: Node's ServerResponse, and the web stream of `app.fetch` on other runtimes. */
const outlets = { "Node's response": false, 'a web stream': true };

/** The value of `portable` says which outlet. @param send writes a recording into the upstream's response */
type Send = (res: ServerResponse, recording: Recording) => void;

const sends: Record<string, Send> = {
  whole: (res, { body }) => void res.write(body),
  'byte by byte': (res, { body }) => {
    // One write: Node writes chunks that wait for each other in four parts each.
    res.flushHeaders();
    res.socket?.write(chunkedBytes(body));
  },
};

/** @returns a chunk of HTTP for each byte, so that the decoder gets each alone, whatever TCP joins */
function chunkedBytes(body: Buffer): Buffer {
  const head = '1\r\n';
  const size = head.length + 3;
  const chunks = Buffer.alloc(body.length * size, `${head}_\r\n`);
  for (let at = 0; at < body.length; at += 1) chunks[at * size + head.length] = body[at] ?? 0;
  return chunks;
}

const bases: Record<Kind, string> = { ollama: '', openai: '/v1' };
const nativePaths: Record<Kind, RegExp> = { ollama: /^\/api\//, openai: /^\/v1\/(chat\/)?completions$/ };

suite('every recording over real sockets', () => {
  for (const kind of kinds) {
    for (const dialect of dialects) {
      const recordings = streamsFor(kind, dialect);
      for (const [sentAs, send] of Object.entries(sends)) {
        for (const [outlet, portable] of Object.entries(outlets)) {
          test(`${dialect.name} from ${kind}, sent ${sentAs}, through ${outlet}: the golden bytes`, async (t) => {
            mock.timers.enable({ apis: ['Date'], now: dialect.head.created * 1000 });
            t.after(() => mock.timers.reset());
            await using upstream = await replayingUpstream(send);
            const settings = { portable, upstream: { kind, url: upstream.url + bases[kind] } };
            await using gateway = await testGateway(upstream, settings);
            const client = new Client(gateway.url);
            for (const recording of recordings) {
              upstream.recording = recording;
              await assertRelayed(client, recording, kind, dialect);
            }
            await client.close();
            assert.ok(recordings.length > 5, String(recordings.length));
          });
        }
      }
    }
  }
});

type ReplayingUpstream = FakeUpstream & { recording: Recording | undefined };

/** Answers every generation request with `recording`. */
async function replayingUpstream(send: Send): Promise<ReplayingUpstream> {
  const recording: Recording | undefined = undefined;
  const upstream: ReplayingUpstream = Object.assign(
    await fakeUpstream((res, { url }) => {
      if (url === '/v1/models') {
        res.end('{"object":"list","data":[{"id":"golden","created":0}]}');
        return;
      }
      assert.ok(upstream.recording);
      res.writeHead(200, { 'content-type': upstream.recording.contentType ?? 'text/plain' });
      send(res, upstream.recording);
      // Also a recording of a connection that broke: the golden is what its bytes are translated into.
      res.end();
    }),
    { recording },
  );
  return upstream;
}

async function assertRelayed(client: Client, recording: Recording, kind: Kind, dialect: Dialect): Promise<void> {
  const { statusCode, headers, body } = await client.request({
    path: dialect.protocol.path,
    method: 'POST',
    body: JSON.stringify(dialect.body),
    headers: { authorization: `Bearer ${secret}` },
  });
  const bytes = await bytesUntilBroken(body);
  const id = String(headers['x-request-id']).slice(dialect.protocol.idPrefix.length);
  const golden = goldenText(dialect, recording);
  if (nativePaths[kind].test(dialect.protocol.path)) assertPassedThrough(bytes, recording, kind, golden);
  else assertTranslated(statusCode, bytes.toString('utf8').replaceAll(id, 'golden'), recording, golden);
}

/** A stream of Ollama's or Google's API that fails ends with an error and a broken connection. */
async function bytesUntilBroken(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk);
  } catch {
    assert.match(Buffer.concat(chunks).toString('utf8'), /\n\{"error":[^\n]*\n+$/);
  }
  return Buffer.concat(chunks);
}

const incomplete = 'The model stopped before its answer was complete.';

/** Asserts that the client got the upstream's own bytes, followed by an error when the stream stopped without an end. */
function assertPassedThrough(bytes: Buffer, { body, name }: Recording, kind: Kind, golden: string): void {
  assert.deepEqual(bytes.subarray(0, body.length), body, name);
  const rest = bytes.subarray(body.length).toString();
  // Some of Ollama's own answers have no `done` at all.
  const ends = kind === 'openai' || body.toString().endsWith('"done":false}\n');
  if (ends && golden.includes(incomplete)) assert.ok(rest.includes(incomplete), name);
  else assert.equal(rest, '', name);
}

/** Asserts that the client got the golden stream, or the golden's error with a status. */
function assertTranslated(status: number, text: string, { name }: Recording, golden: string): void {
  // Google's clients get an error once more, in a chunk of its own.
  const once = text.replace(/(?<=\n)\{"error":\{[^\n]*\n\n$/, '');
  if (status === 200) return assert.equal(withoutTimes(stable(once)), withoutTimes(golden), name);
  // The error came before the first byte of the answer, so that it has a status.
  const { message } = errorOf(JSON.parse(text));
  assert.ok(golden.includes(JSON.stringify(message).slice(1, -1)), `${name}: ${text}`);
}

function errorOf(body: unknown): { message: string } {
  const { error } = body as { error: string | { message: string } };
  return typeof error === 'string' ? { message: error } : error;
}

function withoutTimes(text: string): string {
  return text
    .replace(/"created_at":"[^"]*"/g, '"created_at":""')
    .replace(/"(created|completed)_at":\d+(\.\d+)?/g, '"$1_at":0')
    .replace(/,"(total|eval)_duration":\d+/g, '');
}
