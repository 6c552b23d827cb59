import { join } from 'node:path';
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { completions } from '../../src/protocols/openai/completions/index.ts';
import { recordings } from '../helpers/recordings.ts';
import { head, translate } from './replay.ts';

const streams = recordings(/^generate-.*stream$/).filter(
  ({ path, status }) => path === '/api/generate' && status === 200,
);
const call = completions.read({ model: 'golden', prompt: 'hi', stream_options: { include_usage: true } });

suite('completions from recorded streams of /api/generate', () => {
  test('there are some', () => assert.ok(streams.length >= 15, String(streams.length)));

  for (const stream of streams) {
    test(`${stream.name}: the golden bytes, however it is cut in two`, (t) => {
      const whole = translate([stream.body], call.encoder(head));
      const file = join(import.meta.dirname, '../golden/completions', `${stream.name}.sse`);
      t.assert.fileSnapshot(whole, file, { serializers: [(value: string) => value] });
      for (let cut = 1; cut < stream.body.length; cut += 1) {
        const text = translate([stream.body.subarray(0, cut), stream.body.subarray(cut)], call.encoder(head));
        if (text !== whole) assert.equal(text, whole, `cut at byte ${cut}`);
      }
    });
  }
});
