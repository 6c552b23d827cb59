import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  chunksOf,
  liveGateway,
  native,
  type Answer,
  answerOfChunks,
  answerOfNative,
  answerOfCompletion,
  sdk,
  user,
  weatherTools,
} from './live.ts';

const gateway = await liveGateway();
after(() => gateway.close());
const client = sdk(gateway);

interface Fields {
  readonly seed?: number;
  readonly max_tokens?: number;
  readonly tools?: typeof weatherTools;
}
type Request = Fields & { readonly model: string; readonly messages: ReturnType<typeof user>[] };
const tools = { tools: weatherTools };
/** Models, prompts and further fields. A start token in a prompt selects a script other than the model's own. */
const conversations: readonly (readonly [model: string, prompts: readonly string[], fields?: Fields])[] = [
  ['scripted-plain', ['hi', ...tokens('utf8 badutf8 space empty one stops json jsonprose')]],
  ['scripted-utf8', ['hi']],
  ['scripted-jinja', ['hi']],
  ['scripted-fim', ['hi']],
  ['scripted-json', ['hi']],
  ['scripted-soft', ['hi'], { seed: 1 }],
  ['scripted-long', ['hi'], { max_tokens: 700 }],
  ['scripted-slow', ['hi'], { max_tokens: 20 }],
  ['scripted-think', ['hi', ...tokens('thinksplit thinkopen thinkutf8 nothink')]],
  ['scripted-r1', ['hi']],
  ['scripted-qwen3', ['hi']],
  ['scripted-harmony', ['hi']],
  ['scripted-harmony', ['hi'], tools],
  ['scripted-tools', ['hi']],
  [
    'scripted-tools',
    ['hi', ...tokens('tool2 toolsame texttool tooltail toolargs toolnoargs toolstrargs toolunknown toolbroken')],
    tools,
  ],
  ['scripted-tools-parallel', ['hi'], tools],
  ['scripted-tools-text', ['hi'], tools],
  ['scripted-tools-json', ['hi', ...tokens('tooljson2 notool')], tools],
  ['scripted-think-tools', ['hi', ...tokens('thinktexttool')], tools],
  ['scripted-coder', ['hi'], tools],
  ['scripted-qwen3', ['hi'], tools],
];

function tokens(scripts: string): string[] {
  return scripts.split(' ').map((script) => `<|s:${script}|>`);
}

describe('an answer is equal to that of Ollama itself, streamed or not', () => {
  for (const [model, prompts, fields = {}] of conversations) {
    for (const prompt of prompts) {
      test(`${model} ${prompt} ${Object.keys(fields).join(' ')}`, async () => {
        const request = { model, messages: [user(prompt)], ...fields };
        const expected = answerOfNative(await native('/api/chat', toNative(request)));
        assert.deepEqual(answerOfCompletion(await client.chat.completions.create(request)), expected);
        assert.deepEqual(await streamed(request), expected);
      });
    }
  }
});

async function streamed(request: Request): Promise<Answer> {
  return answerOfChunks(
    await chunksOf(
      client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }),
    ),
  );
}

function toNative({ seed, max_tokens: limit, ...request }: Request): object {
  return {
    ...request,
    options: { ...(seed !== undefined && { seed }), ...(limit !== undefined && { num_predict: limit }) },
  };
}

test('a stream has every character of the script', async () => {
  const { text } = await streamed({ model: 'scripted-plain', messages: [user('hi')] });
  assert.match(
    text,
    /^Hello! I am a scripted model running inside a real Ollama server\..* whatever the temperature or the seed\.$/,
  );
  const utf8 = await streamed({ model: 'scripted-utf8', messages: [user('hi')] });
  assert.match(
    utf8.text,
    /^Emoji 🎉 family 👩‍👩‍👧‍👦 flag 🇯🇵, Japanese 日本語です。[^]*\ndata: \[DONE\]\n\nevent: error\n[^]*\n\n: comment\nend of test\.$/u,
  );
});

test('thinking is sent as reasoning_content and reasoning, and the text has no tags of it', async () => {
  const chunks = await chunksOf(
    client.chat.completions.create({ model: 'scripted-think', messages: [user('hi')], stream: true }),
  );
  const deltas = chunks.flatMap(({ choices }) =>
    choices.map(({ delta }) => delta as { content?: string; reasoning?: string; reasoning_content?: string }),
  );
  const joined = (field: 'content' | 'reasoning' | 'reasoning_content'): string =>
    deltas.map((delta) => delta[field] ?? '').join('');
  assert.equal(joined('content'), 'Good day to you! How may I help?');
  assert.equal(joined('reasoning'), 'The user greets me. A short polite reply will do.\n');
  assert.equal(joined('reasoning_content'), joined('reasoning'));
});

test('reasoning_effort none turns thinking off', async () => {
  const answer = await client.chat.completions.create({
    model: 'scripted-think',
    messages: [user('hi')],
    reasoning_effort: 'none',
  });
  const { text, reasoning } = answerOfCompletion(answer);
  assert.deepEqual([text, reasoning], ['Good day to you! How may I help?', '']);
});

test('all chunks have one id and one time, and the first has the role', async () => {
  const sentAt = Math.floor(Date.now() / 1000);
  const chunks = await chunksOf(
    client.chat.completions.create({ model: 'scripted-plain', messages: [user('hi')], stream: true }),
  );
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
  assert.match(chunks[0]?.id ?? '', /^chatcmpl-/);
  assert.equal(new Set(chunks.map(({ created }) => created)).size, 1);
  assert.ok((chunks[0]?.created ?? 0) >= sentAt);
  assert.deepEqual(
    chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.role ?? [])),
    ['assistant'],
  );
  assert.ok(chunks.length > 40, 'a chunk for each of the 43 tokens');
});

test('the token metrics have the counts of Ollama', async () => {
  await using counting = await liveGateway();
  const before = await native('/api/chat', { model: 'scripted-plain', messages: [user('count me')] });
  await (await counting.chat({ messages: [user('count me')] })).text();
  await (await counting.chat({ messages: [user('count me')], stream: true })).text();
  await (
    await counting.fetch('/api/chat', {
      method: 'POST',
      body: JSON.stringify({ model: 'scripted-plain', messages: [user('count me')] }),
    })
  ).text();
  const counted = async (type: string): Promise<number> =>
    await counting.metric(`llamaduct_tokens_total{key="tester",model="scripted-plain:latest",type="${type}"}`);
  assert.equal(await counted('input'), 3 * before.prompt_eval_count);
  assert.equal(await counted('output'), 3 * before.eval_count);
});
