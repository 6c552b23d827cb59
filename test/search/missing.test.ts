import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hello, kinds, lookUp, start, webSearch } from './helpers.ts';

const note = (what: string): string =>
  `Not available in this conversation: ${what}. Never invent results of these. If one is needed, say that it is not available here.`;
const words = /Web search is not available on this server: no search server is configured/;
const f = { type: 'function', name: 'f', parameters: { type: 'object' } };
const chatF = { type: 'function', function: { name: 'f' } };

suite('without a search server', () => {
  for (const kind of kinds) {
    for (const stream of [false, true]) {
      test(`a message whose only tool is web search is an error result and words, over ${kind}, stream ${stream}`, async () => {
        await using setup = await start({ kind, search: false, turns: [{ text: 'invented' }] });
        const { response, text } = await setup.post('/v1/messages', {
          max_tokens: 9,
          messages: hello,
          tools: [webSearch],
          stream,
        });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('x-llamaduct-dropped'), 'tools.web_search_20250305');
        assert.match(text, /"type":"server_tool_use"/);
        assert.match(text, /"type":"web_search_tool_result_error","error_code":"unavailable"/);
        assert.match(text, words);
        assert.match(text, /"stop_reason":"end_turn"/);
        assert.deepEqual(setup.asked(), []);
      });
    }

    const errors = [
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }] }],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search_preview' }] }],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }, f], tool_choice: { type: 'web_search' } }],
      ...(kind === 'ollama' ? [['/v1/chat/completions', { messages: hello, web_search_options: {} }] as const] : []),
    ] as const;
    for (const [path, body] of errors) {
      test(`a search that is the purpose is an error in words: ${path} ${JSON.stringify(body)} over ${kind}`, async () => {
        await using setup = await start({ kind, search: false, turns: [{ text: 'invented' }] });
        for (const stream of [false, true]) {
          const { response, text } = await setup.post(path, { ...body, stream });
          assert.equal(response.status, 400);
          assert.match(text, words);
        }
        assert.deepEqual(setup.asked(), []);
      });
    }

    const noted: [path: string, body: object, what: string, dropped: string][] = [
      [
        '/v1/messages',
        { max_tokens: 9, messages: hello, tools: [webSearch, lookUp] },
        'web search',
        'tools.web_search_20250305',
      ],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }, f] }, 'web search', 'tools.web_search'],
      [
        '/v1/responses',
        { input: 'hi', tools: [f, { type: 'image_generation' }, { type: 'file_search', vector_store_ids: [] }] },
        'file search, image generation',
        'tools.image_generation, tools.file_search',
      ],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'mcp', server_label: 'x' }] }, 'MCP servers', 'tools.mcp'],
      [
        '/v1/messages',
        {
          max_tokens: 9,
          messages: hello,
          tools: [
            lookUp,
            { type: 'code_execution_20250825', name: 'code_execution' },
            { type: 'web_fetch_20250910', name: 'web_fetch' },
            { type: 'computer_20250124', name: 'computer' },
          ],
        },
        'fetching web pages, code execution, computer use',
        'tools.code_execution_20250825, tools.web_fetch_20250910, tools.computer_20250124',
      ],
    ];
    for (const [path, body, what, dropped] of noted) {
      test(`the model is told what is not available: ${what} on ${path} over ${kind}`, async () => {
        await using setup = await start({ kind, search: false, turns: [{ text: 'It is not available.' }] });
        const { response } = await setup.post(path, body);
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('x-llamaduct-dropped'), dropped);
        assert.deepEqual(setup.asked()[0]?.messages[0], { role: 'system', content: note(what) });
      });
    }
  }

  test('the note is the same at the end of the system message in every turn, so that the prompt cache is kept', async () => {
    await using setup = await start({ search: false, turns: [{ text: 'Yes.' }] });
    const tools = [{ type: 'web_search' }, f];
    const first = [{ role: 'user', content: 'one' }];
    const second = [...first, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'two' }];
    for (const input of [first, second]) await setup.post('/v1/responses', { instructions: 'Be kind.', input, tools });
    const [one, two] = setup.asked();
    assert.equal(one?.messages[0]?.content, `Be kind.\n\n${note('web search')}`);
    assert.deepEqual(two?.messages.slice(0, 2), one?.messages);
  });

  test('chat completions with other tools get the note, and are not a 400', async () => {
    await using setup = await start({ search: false, turns: [{ text: 'No.' }] });
    for (const body of [{ tools: [chatF, { type: 'web_search' }] }, { tools: [chatF], web_search_options: {} }]) {
      const { response } = await setup.post('/v1/chat/completions', { messages: hello, ...body });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('x-llamaduct-dropped') ?? '', /web_search/);
      assert.equal(setup.asked().at(-1)?.messages[0]?.content, note('web search'));
    }
  });

  test('a count of tokens includes the note, and is no refusal', async () => {
    await using setup = await start({ search: false, turns: [{ text: 'No.' }] });
    const { response, text } = await setup.post('/v1/messages/count_tokens', { messages: hello, tools: [webSearch] });
    assert.equal(response.status, 200);
    assert.match(text, /"input_tokens":10/);
    assert.equal(setup.asked()[0]?.messages[0]?.content, note('web search'));
  });

  test('a model whose tools become text is told nothing of who runs them', async () => {
    const settings = { models: [{ match: '*', tools: 'emulate' }] };
    await using setup = await start({ turns: [{ text: 'No.' }], settings });
    await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools: [webSearch] });
    const [asked] = setup.asked().filter(({ messages }) => messages !== undefined);
    const described = /<tools>\n(.*)\n<\/tools>/.exec(asked?.messages[0]?.content ?? '')?.[1] ?? '{}';
    const { function: tool } = JSON.parse(described) as { function?: object };
    assert.deepEqual(Object.keys(tool ?? {}), ['name', 'description', 'parameters']);
  });

  for (const [path, body] of [
    ['/v1/messages', { max_tokens: 9, messages: hello, tools: [webSearch] }],
    ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }, f] }],
    ['/v1beta/models/scripted-plain:generateContent', { contents: 'hi', tools: [{ googleSearch: {} }] }],
  ] as const) {
    test(`a model whose tools a rule drops is told that it cannot search: ${path}`, async () => {
      await using setup = await start({
        turns: [{ text: 'No.' }],
        settings: { models: [{ match: '*', tools: 'drop' }] },
      });
      const { response } = await setup.post(path, body);
      assert.equal(response.headers.get('x-llamaduct-tools'), 'drop');
      const [asked] = setup.asked().filter(({ messages }) => messages !== undefined);
      assert.deepEqual(asked?.messages[0], { role: 'system', content: note('web search') });
      assert.equal(asked.tools, undefined);
    });
  }

  test('a server with an OpenAI API of its own gets web_search_options as they are', async () => {
    await using setup = await start({ kind: 'openai', search: false, turns: [{ text: 'Hi.' }] });
    const { response } = await setup.post('/v1/chat/completions', {
      messages: hello,
      web_search_options: {},
      stream: true,
    });
    assert.equal(response.status, 200);
    assert.deepEqual(
      (JSON.parse(setup.upstream.requests[0]?.body ?? '') as Record<string, unknown>)['web_search_options'],
      {},
    );
  });
});
