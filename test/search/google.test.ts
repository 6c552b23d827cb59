import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { json, sendJson } from '../helpers/answers.ts';
import { type Setup, kinds, start } from './helpers.ts';
import { found, search } from './origin.ts';

const url = 'https://example.org/llama';
const script = [{ text: 'Ich sehe nach – ', calls: [search('llama')] }, { text: `Ein Kamel für 5 € (${url}).` }];
const contents = [{ role: 'user', parts: [{ text: 'What is a llama?' }] }];
const functionDeclarations = [{ name: 'look_up', description: 'd', parameters: { type: 'OBJECT', properties: {} } }];
const model = '/v1beta/models/scripted-plain';
const methods = ['generateContent', 'streamGenerateContent', 'streamGenerateContent?alt=sse'] as const;

interface Candidate {
  readonly content: { readonly parts: readonly { readonly text?: string; readonly functionCall?: { name: string } }[] };
  readonly finishReason?: string;
  readonly groundingMetadata?: {
    readonly webSearchQueries: readonly string[];
    readonly groundingChunks: readonly { readonly web: { readonly uri: string; readonly title: string } }[];
    readonly groundingSupports?: readonly {
      readonly segment: { readonly startIndex?: number; readonly endIndex: number; readonly text: string };
      readonly groundingChunkIndices: readonly number[];
    }[];
  };
}

interface Answer {
  readonly text: string;
  readonly calls: readonly string[];
  readonly last: Candidate | undefined;
  /** Metadata of responses before the last one. */
  readonly early: readonly unknown[];
  readonly usage: { readonly promptTokenCount: number } | undefined;
}

/** Reads a whole answer, or a stream of either form, as clients do. */
function read(text: string): Answer {
  type Body = { candidates: [Candidate]; usageMetadata?: { promptTokenCount: number } };
  const bodies: Body[] = text.startsWith('data: ')
    ? text
        .split('\n\n')
        .filter((event) => event !== '')
        .map((event) => JSON.parse(event.slice(6)) as Body)
    : [JSON.parse(text) as Body | Body[]].flat();
  const parts = bodies.flatMap(({ candidates: [candidate] }) => candidate.content.parts);
  return {
    text: parts.map((part) => part.text ?? '').join(''),
    calls: parts.flatMap(({ functionCall }) => functionCall?.name ?? []),
    last: bodies.at(-1)?.candidates[0],
    early: bodies.slice(0, -1).flatMap(({ candidates: [{ groundingMetadata }] }) => groundingMetadata ?? []),
    usage: bodies.at(-1)?.usageMetadata,
  };
}

const ask = async (setup: Setup, method: string, body: object): ReturnType<Setup['post']> =>
  await setup.post(`${model}:${method}`, { model: undefined, contents, ...body });

for (const kind of kinds) {
  for (const method of methods) {
    suite(`${method} over ${kind}`, () => {
      for (const name of [
        'googleSearch',
        'google_search',
        'googleSearchRetrieval',
        'google_search_retrieval',
        'enterpriseWebSearch',
      ]) {
        test(`searches the web for ${name}, and says what the answer is based on`, async () => {
          await using setup = await start({ kind, turns: script });
          const { response, text } = await ask(setup, method, { tools: [{ [name]: {} }] });
          assert.equal(response.status, 200);
          assert.equal(response.headers.get('x-llamaduct-dropped'), null);
          const answer = read(text);
          assert.equal(answer.text, `Ich sehe nach – \n\nEin Kamel für 5 € (${url}).`);
          assert.deepEqual(answer.calls, []);
          assert.deepEqual(answer.early, []);
          const { finishReason, groundingMetadata: grounding } = answer.last ?? {};
          assert.equal(finishReason, 'STOP');
          assert.deepEqual(grounding?.webSearchQueries, ['llama']);
          assert.deepEqual(
            grounding.groundingChunks,
            found.map((one) => ({ web: { uri: one.url, title: one.title } })),
          );
          const [{ segment, groundingChunkIndices }, ...others] = grounding.groundingSupports as [
            NonNullable<typeof grounding.groundingSupports>[number],
          ];
          assert.deepEqual(others, []);
          assert.deepEqual(groundingChunkIndices, [0]);
          // Clients such as Gemini CLI cut the bytes of the text.
          const bytes = Buffer.from(answer.text).subarray(segment.startIndex, segment.endIndex);
          assert.deepEqual([bytes.toString(), segment.text], [url, url]);
          assert.equal(answer.usage?.promptTokenCount, 20);
          assert.equal(setup.asked()[0]?.tools?.[0]?.function.name, 'web_search');
          assert.deepEqual(
            setup.origin.requests.map((request) => request.url),
            ['/search?q=llama&format=json'],
          );
        });
      }

      test('beside functions, a turn that calls both ends with the call and the sources', async () => {
        const calls = [search('llama'), { name: 'look_up', arguments: {} }];
        await using setup = await start({ kind, turns: [{ calls }] });
        const { text } = await ask(setup, method, { tools: [{ googleSearch: {} }, { functionDeclarations }] });
        const { calls: called, last } = read(text);
        assert.deepEqual(called, ['look_up']);
        assert.deepEqual(last?.groundingMetadata?.webSearchQueries, ['llama']);
        assert.equal(last.groundingMetadata.groundingSupports, undefined);
        assert.equal(setup.asked().length, 1);
      });

      test('an answer without a search has no metadata', async () => {
        await using setup = await start({ kind, turns: [{ text: `I know: ${url}` }] });
        const { text } = await ask(setup, method, { tools: [{ googleSearch: {} }] });
        assert.doesNotMatch(text, /groundingMetadata/);
      });

      test('a search that failed is no source', async () => {
        const answer = (res: { writeHead: (status: number) => { end: () => unknown } }): void => {
          res.writeHead(500).end();
        };
        await using setup = await start({ kind, turns: script, answer });
        const { response, text } = await ask(setup, method, { tools: [{ googleSearch: {} }] });
        assert.equal(response.status, 200);
        assert.doesNotMatch(text, /groundingMetadata/);
        assert.match(setup.asked()[1]?.messages.at(-1)?.content ?? '', /search service is not available/);
      });

      for (const tool of ['googleSearch', 'google_search', 'urlContext', 'fileSearch', 'retrieval', 'googleMaps']) {
        test(`without a search server, ${tool} alone is a 400 in words, and beside functions a note`, async () => {
          await using setup = await start({ kind, search: false, turns: [{ text: 'No.' }] });
          const alone = await ask(setup, method, { tools: [{ [tool]: {} }] });
          assert.equal(alone.response.status, 400);
          assert.match(alone.text, /tools\[0\]\.\w+ is not available on this server \([\w ]+\)/);
          assert.match(alone.text, /"status":"INVALID_ARGUMENT"/);
          assert.deepEqual(setup.asked(), []);
          const beside = await ask(setup, method, { tools: [{ [tool]: {}, functionDeclarations }] });
          assert.equal(beside.response.status, 200);
          assert.equal(
            beside.response.headers.get('x-llamaduct-dropped')?.replaceAll('_', '').toLowerCase(),
            `tools.${tool.replaceAll('_', '').toLowerCase()}`,
          );
          assert.match(setup.asked()[0]?.messages[0]?.content ?? '', /^Not available in this conversation: /);
        });
      }
    });
  }
}

suite("web search of Gemini's API", () => {
  test('goes on while other tools of Google are not available, which the model is told', async () => {
    await using setup = await start({ turns: script });
    const tools = [{ googleSearch: {} }, { urlContext: {} }, { codeExecution: {} }];
    const { response } = await ask(setup, 'generateContent', { tools });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-llamaduct-dropped'), 'tools.urlContext, tools.codeExecution');
    assert.match(
      setup.asked()[0]?.messages[0]?.content ?? '',
      /^Not available in this conversation: fetching web pages, code execution\./,
    );
  });

  test('leaves out domains, and names settings that it does not know', async () => {
    await using setup = await start({ turns: script });
    const google_search = {
      exclude_domains: ['example.org'],
      time_range_filter: { startTime: '2026-01-01T00:00:00Z' },
      searchTypes: { webSearch: {}, imageSearch: {} },
    };
    const { response, text } = await ask(setup, 'generateContent', { tools: [{ google_search }] });
    assert.equal(
      response.headers.get('x-llamaduct-dropped'),
      'tools.googleSearch.timeRangeFilter, tools.googleSearch.searchTypes.imageSearch',
    );
    assert.deepEqual(read(text).last?.groundingMetadata?.groundingChunks, [
      { web: { uri: 'https://docs.example.com/duct', title: 'Ducts' } },
    ]);
  });

  test('has a place behind the thoughts in a whole answer', async () => {
    await using setup = await start({
      model: async (res, request) => {
        if (request.method === 'GET') return sendJson(res, 200, { models: [] });
        const isSecond = request.body.includes('"role":"tool"');
        const message = isSecond
          ? { role: 'assistant', thinking: 'hm', content: url }
          : { role: 'assistant', content: '', tool_calls: [{ function: search('llama') }] };
        return await json(200, { message, done: true, done_reason: 'stop' })(res, request);
      },
    });
    const generationConfig = { thinkingConfig: { includeThoughts: true } };
    const { text } = await ask(setup, 'generateContent', { tools: [{ googleSearch: {} }], generationConfig });
    assert.match(text, /"thought":true/);
    assert.match(text, /"segment":\{"partIndex":1,"endIndex":25,/);
  });

  test('is forced by mode ANY without functions, stays with mode NONE, and takes one candidate', async () => {
    await using setup = await start({ kind: 'openai', turns: script });
    const tools = [{ googleSearch: {} }];
    const mode = (name: string): object => ({ functionCallingConfig: { mode: name } });
    for (const name of ['ANY', 'NONE']) {
      const { response } = await ask(setup, 'generateContent', { tools, toolConfig: mode(name) });
      assert.equal(response.status, 200);
      assert.equal(setup.asked()[0]?.tools?.[0]?.function.name, 'web_search');
    }
    const { response, text } = await ask(setup, 'generateContent', { tools, generationConfig: { candidateCount: 2 } });
    assert.equal(response.status, 400);
    assert.match(text, /generationConfig\.candidateCount/);
  });

  test('is asked for by any value but null, false and an empty text', async () => {
    for (const value of [[], true]) {
      await using setup = await start({ turns: script });
      const { text } = await ask(setup, 'generateContent', { tools: [{ googleSearch: value }] });
      assert.match(text, /groundingMetadata/);
    }
    for (const value of [null, false, '']) {
      await using setup = await start({ search: false, turns: [{ text: 'Hi.' }] });
      const { response } = await ask(setup, 'generateContent', { tools: [{ googleSearch: value }] });
      assert.equal(response.status, 200);
      assert.equal(setup.asked()[0]?.tools, undefined);
    }
  });

  test('is part of a count of tokens, available or not', async () => {
    for (const more of [{}, { search: false } as const]) {
      await using setup = await start({ ...more, turns: [{ text: '' }] });
      const { response, text } = await ask(setup, 'countTokens', { tools: [{ googleSearch: {} }] });
      assert.equal(response.status, 200, text);
      assert.match(text, /"totalTokens":10/);
    }
  });
});
