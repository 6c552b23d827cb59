import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { type ChatRequest, type ChatResponse, type GenerateResponse, Ollama } from 'ollama';
import { secret, testGateway } from '../helpers/gateway.ts';
import { liveGateway, ollama, user, weatherTools } from './live.ts';

/** An Ollama client before a llamaduct, that one before a second one as an OpenAI API, and the second before Ollama. */
const second = await liveGateway();
const first = await testGateway(second, { upstream: { kind: 'openai', url: `${second.url}/v1`, key: secret } });
after(async () => {
  await first.close();
  await second.close();
});
const there = new Ollama({ host: ollama });
const here = new Ollama({ host: first.url, headers: { authorization: `Bearer ${secret}` } });

type Request = Omit<ChatRequest, 'stream'>;

/** What an answer says, however it was transferred. */
interface Said {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly { readonly name: string; readonly arguments: object }[];
  readonly done: boolean;
  readonly reason: string;
  readonly tokens: number;
}

function said(parts: readonly ChatResponse[]): Said {
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

/** That there is something to be the same. */
function tells(answer: Said, about: 'text' | 'thinking' | 'calls'): boolean {
  return answer[about].length > 0;
}

async function whole(client: Ollama, request: Request): Promise<Said> {
  return said([await client.chat({ ...request, stream: false })]);
}

async function pieces(client: Ollama, request: Request): Promise<ChatResponse[]> {
  const all: ChatResponse[] = [];
  for await (const piece of await client.chat({ ...request, stream: true })) all.push(piece);
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

/** With the part of the answer that the case is about. */
const requests: Readonly<Record<string, readonly [Request, 'text' | 'thinking' | 'calls']>> = {
  plain: [{ model: 'scripted-plain', messages }, 'text'],
  'plain, with a system message': [
    { model: 'scripted-plain', messages: [{ role: 'system', content: 'Be kind.' }, ...messages] },
    'text',
  ],
  'plain, cut at its length': [{ model: 'scripted-plain', messages, options: { num_predict: 9 } }, 'text'],
  'plain, cut at a stop sequence': [{ model: 'scripted-plain', messages, options: { stop: [' Ollama'] } }, 'text'],
  'plain, with options': [
    { model: 'scripted-plain', messages, options: { seed: 7, temperature: 0.5, top_k: 3 } },
    'text',
  ],
  utf8: [{ model: 'scripted-utf8', messages }, 'text'],
  'white space at both ends': [{ model: 'scripted-plain', messages: [user('<|s:space|>')] }, 'text'],
  'one token': [{ model: 'scripted-plain', messages: [user('<|s:one|>')] }, 'text'],
  think: [{ model: 'scripted-think', messages }, 'thinking'],
  'think, asked for': [{ model: 'scripted-think', messages, think: true }, 'thinking'],
  'think, with a thought of characters beyond ASCII': [
    { model: 'scripted-think', messages: [user('<|s:thinkutf8|>')], think: true },
    'thinking',
  ],
  'think, not wanted': [{ model: 'scripted-think', messages, think: false }, 'text'],
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
  'json, of a schema': [{ model: 'scripted-json', messages, format: schema }, 'text'],
  harmony: [{ model: 'scripted-harmony', messages }, 'text'],
  'harmony, with a tool': [{ model: 'scripted-harmony', messages: [user('<|s:harmonytool|>')], tools }, 'calls'],
  long: [{ model: 'scripted-long', messages, options: { num_predict: 300 } }, 'text'],
  qwen3: [{ model: 'scripted-qwen3', messages, tools }, 'calls'],
};

suite('the same as from Ollama itself, over an OpenAI API between two llamaducts', () => {
  for (const [name, [request, about]] of Object.entries(requests)) {
    test(name, async () => {
      const expected = await whole(there, request);
      assert.ok(tells(expected, about));
      assert.deepEqual(await whole(here, request), expected);
    });
    test(`${name}, streamed`, async () => {
      const expected = await pieces(there, request);
      assert.ok(tells(said(expected), about));
      const given = await pieces(here, request);
      assert.deepEqual(said(given), said(expected));
      // One piece of Ollama's is at most a frame of its own on the way.
      assert.ok(
        given.length > said(expected).text.length / 40,
        `${given.length} pieces, Ollama sent ${expected.length}`,
      );
      assert.ok(given.slice(0, -1).every(({ done }) => !done));
    });
  }

  test('generate', async () => {
    for (const request of [
      { model: 'scripted-utf8', prompt: 'hi' },
      { model: 'scripted-think', prompt: 'hi', think: true },
      { model: 'scripted-plain', prompt: 'hi', system: 'Be kind.', options: { num_predict: 9 } },
    ]) {
      const [expected, given] = [await there.generate(request), await here.generate(request)];
      const streamed: GenerateResponse[] = [];
      for await (const piece of await here.generate({ ...request, stream: true })) streamed.push(piece);
      const seen = [given.response, given.thinking, given.done_reason, given.eval_count];
      assert.deepEqual(seen, [expected.response, expected.thinking, expected.done_reason, expected.eval_count]);
      assert.equal(streamed.map(({ response }) => response).join(''), expected.response);
      assert.equal(streamed.map(({ thinking }) => thinking ?? '').join(''), expected.thinking ?? '');
      assert.equal(streamed.at(-1)?.done_reason, expected.done_reason);
    }
  });
});

suite('an error is an error', () => {
  for (const [model, status, message] of [
    ['llama-of-nowhere', 404, /llama-of-nowhere/],
    ['scripted-broken', 502, /error loading model/],
    // Tells the package's caller of the fault; Ollama itself ends its answer as if it were whole.
    ['scripted-repeat', 502, /stopped before its answer was complete/],
  ] as const) {
    test(model, async () => {
      await assert.rejects(here.chat({ model, messages }), { name: 'ResponseError', status_code: status, message });
    });
  }

  test('llama-of-nowhere, streamed', async () => {
    const asked = here.chat({ model: 'llama-of-nowhere', messages, stream: true });
    await assert.rejects(asked, { name: 'ResponseError', status_code: 404 });
  });

  test('scripted-repeat, streamed: after its beginning, and without a last line', async () => {
    const parts: ChatResponse[] = [];
    const read = async (): Promise<void> => {
      for await (const part of await here.chat({ model: 'scripted-repeat', messages, stream: true })) parts.push(part);
    };
    await assert.rejects(read, { message: 'The model stopped before its answer was complete.' });
    assert.match(parts.map(({ message }) => message.content).join(''), /^ ?ha ha/);
    assert.ok(parts.every(({ done }) => !done));
  });
});
