import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ChatEvent } from '../../src/chat/event.ts';
import type { ChatRequest } from '../../src/chat/request.ts';
import { GatewayError } from '../../src/errors.ts';
import { type BackendKind, backends } from '../../src/upstreams/index.ts';
import { testGateway } from '../helpers/gateway.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import { fakeUpstream } from '../helpers/upstream.ts';
import { until } from '../helpers/wait.ts';

const request: ChatRequest = { kind: 'chat', model: 'm', messages: [], sampling: {} };

/** The events of a response, then the code of its error if it has one. */
function events(kind: BackendKind, text: string): (ChatEvent | string)[] {
  const seen: (ChatEvent | string)[] = [];
  const decoder = backends[kind].decoder(request, (event) => seen.push(event), 1024 * 1024);
  try {
    decoder.push(Buffer.from(text));
    decoder.end();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    seen.push(error.code);
  }
  return seen;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedBytes(): number {
  collectGarbage();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

const nested = (depth: number, name: string): string => `{"${name}":`.repeat(depth) + '1' + '}'.repeat(depth);

suite('responses of unexpected types', () => {
  const lines: [what: string, line: string, code: string][] = [
    ['content that is not text', '{"message":{"content":5}}', 'upstream_protocol_error'],
    ['thinking that is not text', '{"message":{"thinking":{}}}', 'upstream_protocol_error'],
    ['a message that is null', '{"message":null}', 'upstream_incomplete'],
    ['log probabilities that are not a list', '{"message":{"content":""},"logprobs":"abc"}', 'upstream_incomplete'],
    ['tool calls that are not a list', '{"message":{"tool_calls":{"length":1}}}', 'upstream_protocol_error'],
    ['a tool call that is null', '{"message":{"tool_calls":[null]}}', 'upstream_protocol_error'],
    [
      'arguments nested 20,000 deep',
      `{"message":{"tool_calls":[{"function":{"name":"a","arguments":${nested(20_000, 'a')}}}]}}`,
      'upstream_protocol_error',
    ],
    ['an error nested 20,000 deep', nested(20_000, 'error'), 'upstream_error'],
  ];
  for (const [what, line, code] of lines) {
    test(`Ollama: ${what} ends in ${code}`, () => assert.deepEqual(events('ollama', `${line}\n`), [code]));
  }

  test('OpenAI: invalid log probabilities are left out', () => {
    const choice =
      '{"delta":{"content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1,"top_logprobs":5},{"token":5}]}}';
    const [first] = events('openai', `data: {"choices":[${choice}]}\n\n`);
    const logprobs = [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }];
    assert.deepEqual(first, { type: 'text', text: 'a', logprobs });
  });

  test('OpenAI: arguments nested 20,000 deep end in upstream_protocol_error', () => {
    const call = `{"function":{"name":"a","arguments":${nested(20_000, 'a')}}}`;
    const seen = events('openai', `data: {"choices":[{"delta":{"tool_calls":[${call}]}}]}\n\n`);
    assert.deepEqual(seen, ['upstream_protocol_error']);
  });

  test('negative, infinite and non-numeric counts are ignored', () => {
    const [finish] = events('ollama', '{"done":true,"eval_count":-1,"prompt_eval_count":1e999,"load_duration":"x"}\n');
    const usage = { inputTokens: 0, outputTokens: 0 };
    assert.deepEqual(finish, { type: 'finish', reason: 'stop', usage, timings: {} });
    const observer = backends.openai.observer();
    observer.push(Buffer.from('{"usage":{"prompt_tokens":1e999,"completion_tokens":-1}}'));
    assert.deepEqual(observer.end().finish?.usage, usage);
  });

  test('negative counts do not keep an exchange from ending', async () => {
    await using upstream = await fakeUpstream((res) => {
      ndjson(res).write(chatLine('Hi'));
      res.end(doneLine({ eval_count: -1, eval_duration: -5 }));
    });
    await using gateway = await testGateway(upstream);
    const answer = await gateway.chat({ stream: true });
    assert.match(await answer.text(), /\[DONE\]\n\n$/);
    await until('the exchange ends', async () => (await gateway.metric('llamaduct_in_flight')) === 1);
    assert.deepEqual(
      gateway.log.filter(({ error }) => error !== undefined),
      [],
    );
  });

  test('Ollama: models without a name are not listed', () => {
    assert.deepEqual(backends.ollama.models.read({ models: [{ name: [{ toString: 1 }] }, { name: 'm' }, null] }), [
      { name: 'm', modified: 0 },
    ]);
  });

  test('embeddings with a number that is not finite end in upstream_protocol_error', () => {
    const question = { model: 'm', input: ['a'] };
    const body: unknown = JSON.parse('{"embeddings":[[1e999]],"data":[{"embedding":[1e999]}]}');
    for (const kind of ['ollama', 'openai'] as const) {
      assert.throws(() => backends[kind].embeddings(question).read(body), { code: 'upstream_protocol_error' });
    }
  });

  test('error responses without a text get one', () => {
    assert.equal(backends.ollama.error(429, '').message, 'The upstream is busy.');
    assert.equal(backends.openai.error(422, '{"detail":[{"loc":[{"toString":1}],"msg":"m"}]}').message, 'm');
  });

  test('Ollama: a line in 500,000 chunks takes no more memory than one large chunk', () => {
    const decoder = backends.ollama.decoder(request, () => undefined, 1024 * 1024);
    const before = usedBytes();
    for (let bytes = 0; bytes < 500_000; bytes += 1) decoder.push(Buffer.from('x'));
    assert.ok(usedBytes() - before < 8 * 1024 * 1024);
    decoder.push(Buffer.from('\u00e9'));
    assert.throws(() => decoder.push(Buffer.from('\n')), { code: 'upstream_protocol_error' });
  });
});
