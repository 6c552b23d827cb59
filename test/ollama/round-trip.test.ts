import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { type ChatRequest, type ChatResponse, type GenerateResponse, Ollama } from 'ollama';
import { secret, testGateway } from '../helpers/gateway.ts';
import { liveGateway, ollama, user, weatherTools } from './live.ts';

// An Ollama client uses a first llamaduct; its upstream is a second one, by the OpenAI API; and that one's is Ollama.
const second = await liveGateway();
const first = await testGateway(second, { upstream: { kind: 'openai', url: `${second.url}/v1`, key: secret } });
after(async () => {
  await first.close();
  await second.close();
});
const direct = new Ollama({ host: ollama });
const proxied = new Ollama({ host: first.url, headers: { authorization: `Bearer ${secret}` } });

type Request = Omit<ChatRequest, 'stream'>;

/** The content of an answer, streamed or not. */
interface Answer {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly { readonly name: string; readonly arguments: object }[];
  readonly done: boolean;
  readonly reason: string;
  readonly tokens: number;
}

function answerOf(parts: readonly ChatResponse[]): Answer {
  const last = parts.at(-1) ?? assert.fail('no answer');
  return {
    text: parts.map(({ message }) => message.content).join(''),
    thinking: parts.map(({ message }) => message.thinking ?? '').join(''),
    calls: parts
      .flatMap(({ message }) => message.tool_calls ?? [])
      .map((call) => ({ name: call.function.name, arguments: call.function.arguments })),
    done: last.done,
    reason: last.done_reason,
    tokens: last.eval_count,
  };
}

/** True when the answer has the part that a case is about. */
function has(answer: Answer, part: 'text' | 'thinking' | 'calls'): boolean {
  return answer[part].length > 0;
}

async function whole(client: Ollama, request: Request): Promise<Answer> {
  return answerOf([await client.chat({ ...request, stream: false })]);
}

async function streamed(client: Ollama, request: Request): Promise<ChatResponse[]> {
  const all: ChatResponse[] = [];
  for await (const part of await client.chat({ ...request, stream: true })) all.push(part);
  return all;
}

const messages = [user('hi')];
const tools = weatherTools;
const schema = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' } },
  required: ['name', 'age'],
  additionalProperties: true,
};
const weather = [
  user('What is the weather in Paris?'),
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ function: { name: 'get_weather', arguments: { city: 'Paris' } } }],
  },
  { role: 'tool', tool_name: 'get_weather', content: '18 degrees, sunny' },
];

/** Requests, and the part of the answer that each is about. */
const requests: Readonly<Record<string, readonly [Request, 'text' | 'thinking' | 'calls']>> = {
  plain: [{ model: 'scripted-plain', messages }, 'text'],
  'plain, with a system message': [
    { model: 'scripted-plain', messages: [{ role: 'system', content: 'Be kind.' }, ...messages] },
    'text',
  ],
  'plain, cut at its limit': [{ model: 'scripted-plain', messages, options: { num_predict: 9 } }, 'text'],
  'plain, cut at a stop sequence': [{ model: 'scripted-plain', messages, options: { stop: [' Ollama'] } }, 'text'],
  'plain, with options': [
    { model: 'scripted-plain', messages, options: { seed: 7, temperature: 0.5, top_k: 3 } },
    'text',
  ],
  utf8: [{ model: 'scripted-utf8', messages }, 'text'],
  'white space at both ends': [{ model: 'scripted-plain', messages: [user('<|s:space|>')] }, 'text'],
  'one token': [{ model: 'scripted-plain', messages: [user('<|s:one|>')] }, 'text'],
  think: [{ model: 'scripted-think', messages }, 'thinking'],
  'think, with think true': [{ model: 'scripted-think', messages, think: true }, 'thinking'],
  'think, with characters beyond ASCII in the thinking': [
    { model: 'scripted-think', messages: [user('<|s:thinkutf8|>')], think: true },
    'thinking',
  ],
  'think, with think false': [{ model: 'scripted-think', messages, think: false }, 'text'],
  r1: [{ model: 'scripted-r1', messages, think: true }, 'text'],
  tools: [{ model: 'scripted-tools', messages, tools }, 'calls'],
  'tools, with the result of a call': [{ model: 'scripted-tools', messages: weather, tools }, 'text'],
  'tools, with arguments of all kinds': [
    { model: 'scripted-tools', messages: [user('<|s:toolargs|>')], tools },
    'calls',
  ],
  'tools, with no arguments': [{ model: 'scripted-tools', messages: [user('<|s:toolnoargs|>')], tools }, 'calls'],
  'tools, the same twice': [{ model: 'scripted-tools', messages: [user('<|s:toolsame|>')], tools }, 'calls'],
  'tools-parallel': [{ model: 'scripted-tools-parallel', messages, tools }, 'calls'],
  'tools-text': [{ model: 'scripted-tools-text', messages, tools }, 'text'],
  'tools-json': [{ model: 'scripted-tools-json', messages, tools }, 'calls'],
  'think-tools': [{ model: 'scripted-think-tools', messages, tools }, 'calls'],
  coder: [{ model: 'scripted-coder', messages, tools }, 'calls'],
  'json, as a format': [{ model: 'scripted-json', messages, format: 'json' }, 'text'],
  'json, with a schema': [{ model: 'scripted-json', messages, format: schema }, 'text'],
  harmony: [{ model: 'scripted-harmony', messages }, 'text'],
  'harmony, with a tool': [{ model: 'scripted-harmony', messages: [user('<|s:harmonytool|>')], tools }, 'calls'],
  long: [{ model: 'scripted-long', messages, options: { num_predict: 300 } }, 'text'],
  qwen3: [{ model: 'scripted-qwen3', messages, tools }, 'calls'],
};

suite('answers through two llamaducts and an OpenAI API are equal to those of Ollama itself', () => {
  for (const [name, [request, part]] of Object.entries(requests)) {
    test(name, async () => {
      const expected = await whole(direct, request);
      assert.ok(has(expected, part));
      assert.deepEqual(await whole(proxied, request), expected);
    });
    test(`${name}, streamed`, async () => {
      const expected = await streamed(direct, request);
      assert.ok(has(answerOf(expected), part));
      const given = await streamed(proxied, request);
      assert.deepEqual(answerOf(given), answerOf(expected));
      // Ollama's lines may be joined on the way, but not all of them.
      assert.ok(
        given.length > answerOf(expected).text.length / 40,
        `${given.length} lines, Ollama sent ${expected.length}`,
      );
      assert.ok(given.slice(0, -1).every(({ done }) => !done));
    });
  }

  test('generate, streamed and not streamed', async () => {
    for (const request of [
      { model: 'scripted-utf8', prompt: 'hi' },
      { model: 'scripted-think', prompt: 'hi', think: true },
      { model: 'scripted-plain', prompt: 'hi', system: 'Be kind.', options: { num_predict: 9 } },
    ]) {
      const [expected, given] = [await direct.generate(request), await proxied.generate(request)];
      const parts: GenerateResponse[] = [];
      for await (const part of await proxied.generate({ ...request, stream: true })) parts.push(part);
      const seen = [given.response, given.thinking, given.done_reason, given.eval_count];
      assert.deepEqual(seen, [expected.response, expected.thinking, expected.done_reason, expected.eval_count]);
      assert.equal(parts.map(({ response }) => response).join(''), expected.response);
      assert.equal(parts.map(({ thinking }) => thinking ?? '').join(''), expected.thinking ?? '');
      assert.equal(parts.at(-1)?.done_reason, expected.done_reason);
    }
  });
});

suite('errors through two llamaducts and an OpenAI API throw', () => {
  for (const [model, status, message] of [
    ['llama-of-nowhere', 404, /llama-of-nowhere/],
    ['scripted-broken', 502, /error loading model/],
    // Ollama itself ends its answer without an error.
    ['scripted-repeat', 502, /stopped before its answer was complete/],
  ] as const) {
    test(model, async () => {
      await assert.rejects(proxied.chat({ model, messages }), { name: 'ResponseError', status_code: status, message });
    });
  }

  test('llama-of-nowproxied, streamed', async () => {
    const pending = proxied.chat({ model: 'llama-of-nowhere', messages, stream: true });
    await assert.rejects(pending, { name: 'ResponseError', status_code: 404 });
  });

  test('scripted-repeat, streamed: after the first lines, and without a done line', async () => {
    const parts: ChatResponse[] = [];
    const read = async (): Promise<void> => {
      for await (const part of await proxied.chat({ model: 'scripted-repeat', messages, stream: true }))
        parts.push(part);
    };
    await assert.rejects(read, { message: 'The model stopped before its answer was complete.' });
    assert.match(parts.map(({ message }) => message.content).join(''), /^ ?ha ha/);
    assert.ok(parts.every(({ done }) => !done));
  });
});
