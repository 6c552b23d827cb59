import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { temporaryFolder } from '../usage/rows.ts';
import { startLlamaduct } from './run.ts';

const folder = temporaryFolder();
const secret = 'the-secret-of-root';

/** Delays setImmediate callbacks, as if every event loop iteration took long. */
const slowImmediates = 'globalThis.setImmediate = (act, ...args) => setTimeout(act, 150, ...args)';

const last = { done: true, done_reason: 'stop', total_duration: 5, prompt_eval_count: 3, eval_count: 2 };
const line = (content: string, more: object): string =>
  `${JSON.stringify({ model: 'm', created_at: '2026-11-21T12:00:00Z', message: { role: 'assistant', content }, ...more })}\n`;
const singleLine = line('hi', last);
const twoLines = line('h', { done: false }) + line('i', last);

suite('SIGKILL right after the client has received the response', () => {
  for (const [kind, path, stream, answer, complete] of [
    ['a translated stream', '/v1/chat/completions', true, twoLines, 'data: [DONE]'],
    ['a translated response', '/v1/chat/completions', false, twoLines, '"completion_tokens":2'],
    ['a passed-through stream', '/api/chat', true, twoLines, '"done":true'],
    ['a passed-through response', '/api/chat', false, singleLine, '"done":true'],
  ] as const) {
    test(`the usage row of ${kind} is written`, async (t) => {
      await using upstream = await fakeUpstream((res) => {
        res.setHeader('content-type', 'application/json');
        if (!stream) res.setHeader('content-length', Buffer.byteLength(answer));
        res.end(answer);
      });
      const [file, usage] = [join(folder, `${kind}.yaml`), join(folder, `${kind}.db`)];
      const keys = [{ name: 'root', hash: hashSecret(secret), scopes: ['inference'] }];
      const config = { listen: '127.0.0.1:0', upstreams: [{ url: upstream.url }], usage: { file: usage }, keys };
      writeFileSync(file, JSON.stringify(config));
      const llamaduct = startLlamaduct(['--config', file], {
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(slowImmediates)}`,
      });
      t.after(() => llamaduct.kill('SIGKILL'));
      const [, url = ''] = await llamaduct.until(/^llamaduct is ready on (http:\/\/127\.0\.0\.1:\d+)\n/m);
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
        body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], stream }),
      });
      const decoder = new TextDecoder();
      let text = '';
      for await (const chunk of response.body ?? assert.fail()) {
        text += decoder.decode(chunk, { stream: true });
        if (text.includes(complete)) break;
      }
      llamaduct.kill('SIGKILL');
      await llamaduct.ended;
      assert.ok(text.includes(complete), text);
      const database = new DatabaseSync(usage, { readOnly: true });
      const rows = database.prepare('SELECT outcome, input_tokens, output_tokens FROM requests').all();
      database.close();
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [{ outcome: 'ok', input_tokens: 3, output_tokens: 2 }],
      );
    });
  }
});
