import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { cutPasses, describeCuts } from './cuts.ts';
import { goldenBodyFile, goldenStreamFile } from './golden.ts';
import { dialects, translate, translateWhole } from './replay.ts';
import { kinds, recorded, streams, streamsFor } from './streams.ts';

const exact = { serializers: [(value: string) => value] };
/** The least number of places at which each recording is cut. */
const minCuts = 32;

test('the goldens cover every streaming dialect and every recorded server', () => {
  assert.deepEqual(
    dialects.map(({ name }) => name),
    [
      'chat-completions',
      'completions',
      'responses',
      'messages',
      'api-chat',
      'api-generate',
      'v1beta-streamGenerateContent',
    ],
  );
  for (const kind of kinds) {
    for (const server of recorded[kind].servers) {
      const chats = streams[kind].chat.filter(({ name }) => name.startsWith(`${server}/`));
      assert.ok(chats.length >= 40, `${server}: ${chats.length}`);
    }
    assert.ok(streams[kind].completion.length >= 8, kind);
  }
});

for (const kind of kinds) {
  for (const dialect of dialects) {
    suite(`${dialect.name} translated from recorded streams of ${kind}`, () => {
      for (const recording of streamsFor(kind, dialect)) {
        const { body, name } = recording;
        test(`${name}, streamed: the golden bytes, however the recording is cut`, (t) => {
          const expected = translate([body], kind, dialect);
          t.assert.fileSnapshot(expected, goldenStreamFile(dialect, recording), exact);
          const bytes = Array.from(body, (_, at) => body.subarray(at, at + 1));
          assert.equal(translate(bytes, kind, dialect), expected, 'byte by byte');
          for (const pieces of cutPasses(body, minCuts)) {
            const given = translate(pieces, kind, dialect);
            if (given !== expected) assert.equal(given, expected, describeCuts(pieces));
          }
        });

        test(`${name}, not streamed: the golden body`, (t) => {
          t.assert.fileSnapshot(translateWhole(body, kind, dialect), goldenBodyFile(dialect, recording), exact);
        });
      }
    });
  }
}
