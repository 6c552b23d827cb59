import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Recording } from '../helpers/recordings.ts';
import { type Dialect, answer, dialects, events, stable, translate } from './replay.ts';
import { kinds, recorded, streams, streamsFor } from './streams.ts';

const golden = (dialect: Dialect, recording: Recording, extension: string): string =>
  join(import.meta.dirname, '../golden', dialect.name, `${recording.name}.${extension}`);
const exact = { serializers: [(value: string) => value] };

test('every dialect and both servers of both kinds are here', () => {
  assert.deepEqual(
    dialects.map(({ name }) => name),
    ['chat-completions', 'completions', 'responses', 'messages', 'api-chat', 'api-generate'],
  );
  for (const kind of kinds) {
    for (const server of recorded[kind].servers) {
      const of = streams[kind].chat.filter(({ name }) => name.startsWith(`${server}/`));
      assert.ok(of.length >= 40, `${server}: ${of.length}`);
    }
    assert.ok(streams[kind].completion.length >= 8, kind);
  }
});

for (const kind of kinds) {
  for (const asked of ['chat', 'completion'] as const) {
    const dialect = dialects.find(({ call }) => call.requests[0].kind === asked);
    assert.ok(dialect);
    suite(`${asked} streams of ${kind}: the same events however their bytes are cut in two`, () => {
      for (const { body, name } of streams[kind][asked]) {
        test(name, () => {
          const whole = stable(JSON.stringify(events([body], kind, dialect)));
          // Every position; in the few long recordings every 31st, as each costs a pass over all of them.
          const step = body.length > 12_000 ? 31 : 1;
          for (let cut = 1; cut < body.length; cut += step) {
            const some = stable(JSON.stringify(events([body.subarray(0, cut), body.subarray(cut)], kind, dialect)));
            if (some !== whole) assert.equal(some, whole, `cut at byte ${cut}`);
          }
        });
      }
    });
  }

  for (const dialect of dialects) {
    const extension = dialect.protocol.contentType.startsWith('text/event-stream') ? 'sse' : 'ndjson';
    suite(`${dialect.name} from recorded streams of ${kind}`, () => {
      for (const recording of streamsFor(kind, dialect)) {
        const { body, name } = recording;
        test(`${name}: the golden bytes, whole, byte by byte and cut in two`, (t) => {
          const whole = translate([body], kind, dialect);
          t.assert.fileSnapshot(whole, golden(dialect, recording, extension), exact);
          const bytes = Array.from(body, (_, at) => body.subarray(at, at + 1));
          assert.equal(translate(bytes, kind, dialect), whole);
          const step = Math.ceil(body.length / 32);
          for (let cut = step; cut < body.length; cut += step) {
            const text = translate([body.subarray(0, cut), body.subarray(cut)], kind, dialect);
            if (text !== whole) assert.equal(text, whole, `cut at byte ${cut}`);
          }
        });

        test(`${name}: the golden body, not streamed`, (t) => {
          t.assert.fileSnapshot(answer(body, kind, dialect), golden(dialect, recording, 'json'), exact);
        });
      }
    });
  }
}
