import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hello, kinds, lookUp, start, webSearch } from './helpers.ts';
import { found, search } from './origin.ts';

const url = 'https://example.org/llama';
const script = [{ text: 'Let me look.', calls: [search('llama')] }, { text: `It is a camelid (${url}).` }];

const dialects = [
  { name: 'messages', path: '/v1/messages', body: { max_tokens: 99, messages: hello, tools: [webSearch] } },
  { name: 'responses', path: '/v1/responses', body: { input: 'What is a llama?', tools: [{ type: 'web_search' }] } },
  { name: 'chat completions', path: '/v1/chat/completions', body: { messages: hello, web_search_options: {} } },
  {
    name: 'chat completions with a tool of type web_search',
    path: '/v1/chat/completions',
    body: { messages: hello, tools: [{ type: 'web_search' }] },
  },
];

for (const kind of kinds) {
  for (const { name, path, body } of dialects) {
    for (const stream of [false, true]) {
      test(`${name} over ${kind}, stream ${stream}: the model gets the results, and the client its answer`, async () => {
        await using setup = await start({ kind, turns: script });
        const { response, text } = await setup.post(path, { ...body, stream });
        assert.equal(response.status, 200);
        assert.equal(response.headers.get('x-llamaduct-dropped'), null);
        assert.match(text, /Let me look/);
        assert.match(text, /It is a camelid/);
        assert.doesNotMatch(text, /"function_call"|"tool_calls"|"tool_use","id":"call/);
        assert.deepEqual(
          setup.origin.requests.map((request) => request.url),
          ['/search?q=llama&format=json'],
        );
        const [first, second] = setup.asked();
        assert.deepEqual(
          first?.tools?.map((tool) => tool.function.name),
          ['web_search'],
        );
        assert.deepEqual(second?.messages.slice(0, 1), first?.messages);
        assert.deepEqual(
          second?.messages.map(({ role }) => role),
          ['user', 'assistant', 'tool'],
        );
        assert.match(
          second?.messages[2]?.content ?? '',
          /1\. Llamas\nhttps:\/\/example\.org\/llama\n2026-01-02\nA llama/,
        );
        assert.equal(await setup.gateway.metric('llamaduct_web_searches_total{outcome="found"}'), 1);
        const line = setup.gateway.log.find(({ route }) => route === path);
        assert.deepEqual([line?.['searches'], line?.['input_tokens'], line?.['output_tokens']], [1, 20, 10]);
        assert.doesNotMatch(JSON.stringify(setup.gateway.log) + text, new RegExp(new URL(setup.origin.url).host));
      });
    }
  }
}

suite('an answer that searches', () => {
  test('ends after its searches if it also calls a tool of the client, and goes on in the next request', async () => {
    for (const kind of kinds) {
      for (const stream of [false, true]) {
        const calls = [search('llama'), { name: 'look_up', arguments: { a: 1 } }];
        await using setup = await start({ kind, turns: [{ calls }, { text: 'Done.' }] });
        const tools = [webSearch, lookUp];
        const { text } = await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools, stream });
        const order = ['"server_tool_use"', '"web_search_tool_result"', '"tool_use"'].map((part) => text.indexOf(part));
        assert.ok(
          order.every((index) => index > 0),
          text,
        );
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );
        assert.match(text, /"stop_reason":"tool_use"/);
        assert.equal(setup.asked().length, 1);
        assert.equal(setup.origin.requests.length, 1);
        if (stream) continue;
        const { content } = JSON.parse(text) as { content: { type: string; id: string }[] };
        const id = content.find(({ type }) => type === 'tool_use')?.id;
        const messages = [
          ...hello,
          { role: 'assistant', content },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'looked up' }] },
        ];
        await setup.post('/v1/messages', { max_tokens: 9, messages, tools });
        const sent = setup
          .asked()
          .at(-1)
          ?.messages.map(({ role, content: said }) => [role, (said ?? '').slice(0, 9)]);
        assert.deepEqual(sent, [
          ['user', 'What is a'],
          ['assistant', kind === 'openai' ? String(sent?.[1]?.[1]) : ''],
          ['tool', '1. Llamas'],
          ['assistant', kind === 'openai' ? String(sent?.[3]?.[1]) : ''],
          ['tool', 'looked up'],
        ]);
      }
    }
  });

  test('runs several searches of one turn, and as many turns as it needs', async () => {
    const turns = [{ calls: [search('a'), search('b')] }, { calls: [search('c')] }, { text: 'All found.' }];
    for (const stream of [false, true]) {
      await using setup = await start({ turns });
      const { text } = await setup.post('/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }], stream });
      assert.equal(setup.origin.requests.length, 3);
      assert.equal(setup.asked().length, 3);
      assert.match(text, /All found\./);
      const last = stream ? (/data: (.*"response\.completed".*)\n/.exec(text)?.[1] ?? '') : `{"response":${text}}`;
      const { response } = JSON.parse(last) as {
        response: { output: { type: string }[]; usage: { input_tokens: number } };
      };
      assert.deepEqual(
        response.output.map(({ type }) => type),
        ['web_search_call', 'web_search_call', 'web_search_call', 'message'],
      );
      assert.equal(response.usage.input_tokens, 30);
    }
  });

  test('has at most as many searches as the operator and the request allow, and then goes on without', async () => {
    for (const stream of [false, true]) {
      await using setup = await start({ turns: [{ calls: [search('again')] }], search: { uses: 3 } });
      const tools = [{ ...webSearch, max_uses: 2 }];
      const { response, text } = await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools, stream });
      assert.equal(response.status, 200);
      assert.equal(setup.origin.requests.length, 2);
      assert.match(text, /"error_code":"max_uses_exceeded"/);
      assert.match(text, /"stop_reason":"end_turn"/);
      assert.deepEqual(
        setup.asked().map(({ tools: offered }) => offered?.length ?? 0),
        [1, 1, 1, 0],
      );
      assert.equal(await setup.gateway.metric('llamaduct_web_searches_total{outcome="max_uses_exceeded"}'), 1);
    }
  });

  test('takes max_tool_calls as the limit of its searches', async () => {
    await using setup = await start({ turns: [{ calls: [search('a'), search('b')] }, { text: 'Done.' }] });
    const body = { input: 'hi', tools: [{ type: 'web_search' }], max_tool_calls: 1 };
    const { response, text } = await setup.post('/v1/responses', body);
    assert.equal(response.headers.get('x-llamaduct-dropped'), null);
    assert.equal(setup.origin.requests.length, 1);
    assert.match(text, /"max_tool_calls":1/);
    assert.match(text, /"status":"failed","action":\{"type":"search","query":"b"/);
  });

  test('is forced to search first, and not afterwards', async () => {
    const forced = [
      [
        '/v1/messages',
        {
          max_tokens: 9,
          messages: hello,
          tools: [webSearch, lookUp],
          tool_choice: { type: 'tool', name: 'web_search' },
        },
      ],
      ['/v1/messages', { max_tokens: 9, messages: hello, tools: [webSearch], tool_choice: { type: 'any' } }],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }], tool_choice: { type: 'web_search' } }],
      ['/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }], tool_choice: 'required' }],
      ['/v1/chat/completions', { messages: hello, tools: [{ type: 'web_search' }], tool_choice: 'required' }],
    ] as const;
    for (const [path, body] of forced) {
      await using setup = await start({ kind: 'openai', turns: script });
      const { response } = await setup.post(path, body);
      assert.equal(response.status, 200);
      const choices = setup.upstream.requests.map(
        (one) => (JSON.parse(one.body) as { tool_choice?: unknown }).tool_choice,
      );
      assert.deepEqual(choices, [{ type: 'function', function: { name: 'web_search' } }, undefined]);
    }
  });

  test('offers no search with tool_choice none, or if the allowed tools do not have it', async () => {
    const allowed = { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] };
    const tools = [{ type: 'web_search' }, { type: 'function', name: 'f', parameters: {} }];
    for (const [choice, names] of [
      ['none', []],
      [allowed, ['f']],
      [{ ...allowed, tools: [{ type: 'web_search' }] }, ['web_search']],
    ] as const) {
      await using setup = await start({ turns: [{ text: 'No.' }] });
      await setup.post('/v1/responses', { input: 'hi', tools, tool_choice: choice });
      assert.deepEqual(setup.asked()[0]?.tools?.map((tool) => tool.function.name) ?? [], names);
    }
  });

  test('gives the search another name if the client has a tool of this name', async () => {
    await using setup = await start({
      turns: [{ calls: [{ name: 'web_search_2', arguments: { query: 'x' } }] }, { text: 'Ok.' }],
    });
    const tools = [webSearch, { ...lookUp, name: 'web_search' }];
    const { text } = await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools });
    assert.deepEqual(
      setup.asked()[0]?.tools?.map((tool) => tool.function.name),
      ['web_search', 'web_search_2'],
    );
    assert.match(text, /"server_tool_use".*"web_search_tool_result"/);
  });

  test('leaves out results of domains that the request does not want, and names the wanted ones to the search server', async () => {
    await using setup = await start({ turns: [{ calls: [search('x')] }, { text: 'Ok.' }] });
    const tools = [{ type: 'web_search', filters: { allowed_domains: ['example.com'] }, search_context_size: 'low' }];
    const { text } = await setup.post('/v1/responses', { input: 'hi', tools });
    assert.match(text, /"sources":\[\{"type":"url","url":"https:\/\/docs\.example\.com\/duct"\}\]/);
    assert.match(setup.origin.requests[0]?.url ?? '', /q=x\+site%3Aexample\.com/);
    const blocked = [
      { ...webSearch, blocked_domains: ['example.org'], user_location: { type: 'approximate', city: 'Bern' } },
    ];
    await using other = await start({ turns: [{ calls: [search('x')] }, { text: 'Ok.' }] });
    const answer = await other.post('/v1/messages', { max_tokens: 9, messages: hello, tools: blocked });
    assert.doesNotMatch(answer.text, /example\.org/);
    assert.match(JSON.stringify(other.asked()[0]?.tools), /The user is in Bern\./);
  });

  test('goes on from the beginning of an answer that the client wrote', async () => {
    for (const kind of kinds) {
      await using setup = await start({ kind, turns: [{ text: ' so', calls: [search('llama')] }, { text: 'Done.' }] });
      const messages = [...hello, { role: 'assistant', content: 'Well,' }];
      await setup.post('/v1/messages', { max_tokens: 9, messages, tools: [webSearch] });
      assert.deepEqual(
        setup.asked()[1]?.messages.map(({ role, content }) => [role, (content ?? '').slice(0, 9)]),
        [
          ['user', 'What is a'],
          ['assistant', 'Well, so'],
          ['tool', '1. Llamas'],
        ],
      );
    }
  });

  test('is a 400 for several choices', async () => {
    await using setup = await start({ turns: script });
    const { response, text } = await setup.post('/v1/chat/completions', {
      messages: hello,
      web_search_options: {},
      n: 2,
    });
    assert.equal(response.status, 400);
    assert.match(text, /"param":"n"/);
  });

  test('of a model that does not search is an answer as any other', async () => {
    for (const stream of [false, true]) {
      await using setup = await start({ turns: [{ text: 'I know that.' }] });
      const { text } = await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools: [webSearch], stream });
      assert.match(text, /I know that\./);
      assert.match(text, /"server_tool_use":null/);
      assert.equal(setup.origin.requests.length, 0);
    }
  });

  test('is stored with its searches, and the next request goes on from it', async () => {
    await using setup = await start({ turns: [...script, { text: 'Again.' }] });
    const first = JSON.parse(
      (await setup.post('/v1/responses', { input: 'hi', tools: [{ type: 'web_search' }] })).text,
    ) as {
      id: string;
    };
    await setup.post('/v1/responses', { input: 'and?', previous_response_id: first.id });
    const messages = setup.asked().at(-1)?.messages ?? [];
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant', 'tool', 'assistant', 'user'],
    );
    assert.match(messages[2]?.content ?? '', new RegExp(found[0]?.url ?? ''));
  });
});
