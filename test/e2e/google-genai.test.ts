import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ApiError,
  type Content,
  FunctionCallingConfigMode,
  type GenerateContentResponse,
  GoogleGenAI,
  Type,
} from '@google/genai';
import { secret } from '../helpers/gateway.ts';
import { json } from '../helpers/answers.ts';
import { chatLine, ndjson } from '../helpers/ollama-answers.ts';
import { type Proxied, proxied } from '../helpers/proxied.ts';
import { inTurn, replay } from '../helpers/replay.ts';
import * as texts from './texts.ts';

const model = 'scripted-plain';
const plain = replay('ollama-0.17.4/chat-plain-stream');

function connect({ gateway }: Proxied, apiKey = secret): GoogleGenAI {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.url } });
}

async function collect(stream: AsyncIterable<GenerateContentResponse>): Promise<GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

suite("Google's SDK", () => {
  test('returns a whole answer, and sends Ollama only what the client sent', async () => {
    await using proxy = await proxied(plain);
    const answer = await connect(proxy).models.generateContent({
      model,
      contents: 'hello',
      config: { systemInstruction: 'Be brief.', temperature: 0.5, topK: 4, maxOutputTokens: 100 },
    });
    assert.equal(answer.text, texts.plainText);
    assert.equal(answer.candidates?.[0]?.finishReason, 'STOP');
    const { promptTokenCount, candidatesTokenCount, totalTokenCount } = answer.usageMetadata ?? {};
    assert.deepEqual([promptTokenCount, candidatesTokenCount, totalTokenCount], [46, 44, 90]);
    assert.deepEqual(proxy.asked, [
      {
        model,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'hello' },
        ],
        stream: true,
        options: { top_k: 4, temperature: 0.5, num_predict: 100 },
      },
    ]);
  });

  test('streams an answer, whose last response has the usage', async () => {
    await using proxy = await proxied(plain);
    const chunks = await collect(await connect(proxy).models.generateContentStream({ model, contents: 'hello' }));
    assert.equal(chunks.map(({ text }) => text ?? '').join(''), texts.plainText);
    assert.deepEqual(
      [chunks.at(-1)?.candidates?.[0]?.finishReason, chunks.at(-1)?.usageMetadata?.totalTokenCount],
      ['STOP', 90],
    );
  });

  test('keeps a conversation of which every answer is valid', async () => {
    await using proxy = await proxied(inTurn(plain, plain));
    const chat = connect(proxy).chats.create({ model });
    await collect(await chat.sendMessageStream({ message: 'hello' }));
    await chat.sendMessage({ message: 'again' });
    assert.equal(chat.getHistory(true).filter(({ role }) => role === 'user').length, 2);
    const roles = (proxy.asked[1] as { messages: { role: string; content: string }[] }).messages;
    assert.deepEqual(
      roles.map(({ role, content }) => [role, content === texts.plainText ? 'answer' : content]),
      [
        ['user', 'hello'],
        ['assistant', 'answer'],
        ['user', 'again'],
      ],
    );
  });

  const weather = {
    functionDeclarations: [
      {
        name: 'get_weather',
        description: 'Weather in a city',
        parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
      },
    ],
  };

  test('a function call reaches the client, and its result is sent to Ollama', async () => {
    await using proxy = await proxied(
      inTurn(replay('ollama-0.17.4/chat-tools-thinktool-stream'), replay('ollama-0.17.4/chat-tools-result-stream')),
    );
    const { models } = connect(proxy);
    const config = { tools: [weather], thinkingConfig: { includeThoughts: true } };
    const chunks = await collect(await models.generateContentStream({ model, contents: 'hello', config }));
    const parts = chunks.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
    assert.ok(parts.some(({ thought }) => thought === true));
    const call = parts.find(({ functionCall }) => functionCall !== undefined)?.functionCall;
    assert.deepEqual([call?.name, typeof call?.args], ['get_weather', 'object']);
    const contents: Content[] = [
      { role: 'user', parts: [{ text: 'hello' }] },
      { role: 'model', parts },
      {
        role: 'user',
        parts: [{ functionResponse: { id: call?.id ?? '', name: 'get_weather', response: { output: '18 C' } } }],
      },
    ];
    const second = await models.generateContent({ model, contents, config });
    assert.equal(second.text, texts.weatherText);
    const { messages, tools } = proxy.asked[1] as { messages: object[]; tools: object[] };
    assert.partialDeepStrictEqual(messages, [
      { role: 'user', content: 'hello' },
      { role: 'assistant', tool_calls: [{ function: { name: 'get_weather', arguments: call?.args } }] },
      { role: 'tool', content: '18 C', tool_name: 'get_weather' },
    ]);
    assert.partialDeepStrictEqual(tools, [
      { function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } },
    ]);
  });

  test('no function is offered with mode NONE', async () => {
    await using proxy = await proxied(plain);
    const config = {
      tools: [weather],
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.NONE } },
    };
    await connect(proxy).models.generateContent({ model, contents: 'hello', config });
    assert.equal('tools' in (proxy.asked[0] as object), false);
  });

  test('structured output and an image are sent to Ollama', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-format-schema-stream'));
    const data = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    const answer = await connect(proxy).models.generateContent({
      model,
      contents: [{ text: 'Who?' }, { inlineData: { mimeType: 'image/png', data } }],
      config: {
        responseMimeType: 'application/json',
        responseSchema: { type: Type.OBJECT, properties: { name: { type: Type.STRING } } },
      },
    });
    assert.partialDeepStrictEqual(JSON.parse(answer.text ?? ''), { name: 'Alice' });
    assert.partialDeepStrictEqual(proxy.asked, [
      {
        messages: [{ role: 'user', content: 'Who?', images: [data] }],
        format: { type: 'object', properties: { name: { type: 'string' } } },
      },
    ]);
  });

  test('counts tokens', async () => {
    await using proxy = await proxied(plain);
    const { totalTokens } = await connect(proxy).models.countTokens({ model, contents: 'hello' });
    assert.equal(totalTokens, 46);
  });

  test('lists and shows models', async () => {
    await using proxy = await proxied(plain, {}, [model]);
    for (const apiVersion of ['v1', 'v1beta']) {
      const { models } = new GoogleGenAI({ apiKey: secret, apiVersion, httpOptions: { baseUrl: proxy.gateway.url } });
      const names: unknown[] = [];
      for await (const { name } of await models.list()) names.push(name);
      assert.deepEqual(names, [`models/${model}`]);
      assert.equal((await models.get({ model })).name, `models/${model}`);
    }
    const openai = (await (await proxy.gateway.fetch('/v1/models')).json()) as object;
    assert.partialDeepStrictEqual(openai, { object: 'list' });
  });

  test('throws its error for a wrong key, an unknown model and a broken stream', async () => {
    await using proxy = await proxied((res, request) => {
      if (request.body.includes('absent')) return json(404, { error: "model 'absent' not found" })(res, request);
      return void ndjson(res).end(chatLine('Hello'));
    });
    const failed = async (client: GoogleGenAI, name: string): Promise<unknown> =>
      await client.models.generateContent({ model: name, contents: 'hi' }).catch((error: unknown) => error);
    const wrongKey = await failed(connect(proxy, 'wrong'), model);
    assert.ok(wrongKey instanceof ApiError && wrongKey.status === 401, String(wrongKey));
    const unknown = await failed(connect(proxy), 'absent');
    assert.ok(unknown instanceof ApiError && unknown.status === 404, String(unknown));
    const stream = await connect(proxy).models.generateContentStream({ model, contents: 'hi' });
    await assert.rejects(collect(stream), (error) => error instanceof ApiError && error.status === 502);
  });

  test('waits for a slow model as long as it takes', async () => {
    await using proxy = await proxied(
      async (res, request) => {
        await sleep(120);
        return await plain(res, request);
      },
      { timeouts: { silence: '20ms' } },
    );
    const chunks = await collect(await connect(proxy).models.generateContentStream({ model, contents: 'hello' }));
    assert.ok(chunks.length > 44);
    assert.equal(chunks.map(({ text }) => text ?? '').join(''), texts.plainText);
  });

  test('embeds texts', async () => {
    await using proxy = await proxied(json(200, { embeddings: [[0.5], [0.25]], prompt_eval_count: 2 }));
    const config = { outputDimensionality: 1 };
    const { embeddings } = await connect(proxy).models.embedContent({ model, contents: ['a', 'b'], config });
    assert.deepEqual(
      embeddings?.map(({ values }) => values),
      [[0.5], [0.25]],
    );
  });

  test('leaving a stream early aborts the upstream request', async () => {
    await using proxy = await proxied(replay('ollama-0.17.4/chat-plain-stream', { lines: 3, after: 'hold' }));
    const stop = new AbortController();
    const config = { abortSignal: stop.signal };
    const stream = await connect(proxy).models.generateContentStream({ model, contents: 'hello', config });
    await assert.rejects(async () => {
      for await (const { text } of stream) if (text !== '') stop.abort();
    });
    assert.equal(await proxy.phaseLeft(), 'streaming');
  });
});
