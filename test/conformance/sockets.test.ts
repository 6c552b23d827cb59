import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import { testGateway } from '../helpers/gateway.ts';
import type { Recording } from '../helpers/recordings.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { type Dialect, dialects, stable, translate } from './replay.ts';
import { type Kind, kinds, streamsFor } from './streams.ts';

/** How it goes out: straight into Node's answers, or by web streams. */
const ways = { 'to Node': false, 'by web streams': true };

/** Byte by byte, each byte an HTTP chunk of its own: it reaches the decoder alone, whatever TCP joins. */
const cuts: Record<string, (body: Buffer) => Iterable<Uint8Array>> = {
  whole: (bytes) => [bytes],
  'byte by byte': function* (bytes) {
    for (let at = 0; at < bytes.length; at += 1) yield bytes.subarray(at, at + 1);
  },
};

const bases: Record<Kind, string> = { ollama: '', openai: '/v1' };
const ownDialects: Record<Kind, RegExp> = { ollama: /^\/api\//, openai: /^\/v1\/(chat\/)?completions$/ };

suite('recordings over real sockets', () => {
  for (const kind of kinds) {
    for (const dialect of dialects) {
      for (const [[cutName, cut], [way, portable]] of combined(cuts, ways)) {
        test(`${dialect.name} from ${kind}, sent ${cutName}, ${way}`, async (t) => {
          mock.timers.enable({ apis: ['Date'], now: dialect.head.created * 1000 });
          t.after(() => mock.timers.reset());
          let current: Recording | undefined;
          await using upstream = await fakeUpstream((res, { url }) => {
            if (url === '/v1/models') {
              res.end('{"object":"list","data":[{"id":"golden","created":0}]}');
              return;
            }
            assert.ok(current);
            res.writeHead(200, { 'content-type': current.contentType ?? 'text/plain' });
            for (const piece of cut(current.body)) res.write(piece);
            if (current.complete) res.end();
            else res.write('\n', () => res.socket?.end());
          });
          const settings = { portable, upstream: { kind, url: upstream.url + bases[kind] } };
          await using gateway = await testGateway(upstream, settings);
          const passed = ownDialects[kind].test(dialect.protocol.path);
          const long = cutName === 'byte by byte' ? 8_000 : 20_000;
          let seen = 0;
          for (current of streamsFor(kind, dialect).filter((one) => one.complete && one.body.length < long)) {
            seen += 1;
            const response = await gateway.fetch(dialect.protocol.path, {
              method: 'POST',
              body: JSON.stringify(dialect.body),
              headers: { 'x-request-id': dialect.head.id },
            });
            const bytes = Buffer.from(await response.arrayBuffer());
            if (passed) assertPassed(bytes, current, kind, dialect);
            else assertSame(response.status, bytes.toString('utf8'), current, kind, dialect);
          }
          assert.ok(seen > 5, String(seen));
        });
      }
    }
  }
});

function combined<A, B>(ones: Record<string, A>, others: Record<string, B>): [[string, A], [string, B]][] {
  return Object.entries(ones).flatMap((one) =>
    Object.entries(others).map((other): [[string, A], [string, B]] => [one, other]),
  );
}

const incomplete = 'The model stopped before its answer was complete.';

/** What came is the upstream's own bytes, with an error after them where it stopped without an end. */
function assertPassed(bytes: Buffer, { body, name }: Recording, kind: Kind, dialect: Dialect): void {
  assert.deepEqual(bytes.subarray(0, body.length), body, name);
  const more = bytes.subarray(body.length).toString();
  // Some of Ollama's own answers have no `done` at all.
  const ends = kind === 'openai' || body.toString().endsWith('"done":false}\n');
  if (ends && translate([body], kind, dialect).includes(incomplete)) assert.ok(more.includes(incomplete), name);
  else assert.equal(more, '', name);
}

/** What came over the sockets is what the translation gives, or that error with its status. */
function assertSame(
  status: number,
  text: string,
  { body: bytes, name }: Recording,
  kind: Kind,
  dialect: Dialect,
): void {
  const expected = translate([bytes], kind, dialect);
  if (status === 200) return assert.equal(timeless(stable(text)), timeless(expected), name);
  // Nothing of the answer came before its error: all of it is in the status and the body.
  const { message } = errorOf(JSON.parse(text));
  assert.ok(expected.includes(JSON.stringify(message).slice(1, -1)), `${name}: ${text}`);
}

function errorOf(body: unknown): { message: string } {
  const { error } = body as { error: string | { message: string } };
  return typeof error === 'string' ? { message: error } : error;
}

/** Without what a clock says. */
function timeless(text: string): string {
  return text
    .replace(/"created_at":"[^"]*"/g, '"created_at":""')
    .replace(/"(created|completed)_at":\d+(\.\d+)?/g, '"$1_at":0')
    .replace(/,"(total|eval)_duration":\d+/g, '');
}
