import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { secret, testGateway } from '../helpers/gateway.ts';
import { chatsOf, recordedOllama, native, answerOfNative, user } from './live.ts';

const script = process.env['LLAMADUCT_TEST_CLIENT'];
const skip =
  script === undefined &&
  'LLAMADUCT_TEST_CLIENT is not set to the path of the standard-library client, ../shared/clients/ollama_chat.py';
const model = 'scripted-plain';

describe('the standard-library Python client gets two answers in one conversation', { skip }, () => {
  for (const path of ['/v1/chat/completions', '/api/chat']) {
    test(path, async () => {
      await using upstream = await recordedOllama();
      await using gateway = await testGateway(upstream);
      const output = await run(await configured(gateway.url + path));

      const { text } = answerOfNative(await native('/api/chat', { model, messages: [user('hi')] }));
      const answers = [...output.matchAll(/^Assistant \(scripted-plain\): (.*)$/gm)].map(([, answer]) => answer);
      assert.deepEqual(answers, [text, text]);
      assert.match(output, /^--- Session Ended ---$/m);

      const histories = chatsOf(upstream).map(({ messages }) => messages);
      assert.deepEqual(
        histories.map((messages) => messages.map(({ role }) => role)),
        [['user'], ['user', 'assistant', 'user']],
      );
      assert.deepEqual(histories[1]?.[0], histories[0]?.[0]);
      assert.equal(histories[1]?.[1]?.content, text);
    });
  }
});

/** @returns the source of the client with its three settings replaced */
async function configured(url: string): Promise<string> {
  let source = await readFile(script ?? '', 'utf8');
  for (const [setting, value] of Object.entries({ API_URL: url, API_KEY: secret, MODEL_NAME: model })) {
    const line = new RegExp(`^${setting} = ".*"`, 'm');
    assert.match(source, line);
    source = source.replace(line, `${setting} = ${JSON.stringify(value)}`);
  }
  return source;
}

async function run(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'llamaduct-'));
  try {
    const file = join(folder, 'client.py');
    await writeFile(file, source);
    const { stdout, stderr } = await promisify(execFile)('python3', [file], {
      env: { ...process.env, PYTHONIOENCODING: 'utf-8' },
      timeout: 30_000,
    });
    assert.equal(stderr, '');
    return stdout;
  } finally {
    await rm(folder, { recursive: true });
  }
}
