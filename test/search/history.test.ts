import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { hello, kinds, start } from './helpers.ts';

const result = (title: string, url: string, content: string): object => ({
  type: 'web_search_result',
  title,
  url,
  encrypted_content: content,
  page_age: null,
});
const use = (id: string, query: string): object => ({
  type: 'server_tool_use',
  id,
  name: 'web_search',
  input: { query },
});
const results = (id: string, content: unknown): object => ({
  type: 'web_search_tool_result',
  tool_use_id: id,
  content,
});

suite('searches in the history of', () => {
  for (const kind of kinds) {
    for (const search of [{}, false] as const) {
      const server = search === false ? 'without a search server' : 'with a search server';
      test(`messages are calls and results for the model, over ${kind} ${server}`, async () => {
        await using setup = await start({ kind, search, turns: [{ text: 'Ok.' }] });
        const content = [
          { type: 'text', text: 'Let me look.' },
          use('srvtoolu_1', 'llama'),
          results('srvtoolu_1', [
            result('Llamas', 'https://example.org/llama', 'llamaduct-page:A camelid.'),
            result('Other', 'https://example.org/other', 'EncryptedByAnthropic=='),
          ]),
          use('srvtoolu_2', 'alpaca'),
          results('srvtoolu_2', { type: 'web_search_tool_result_error', error_code: 'unavailable' }),
          { type: 'text', text: 'It is a camelid.' },
        ];
        const messages = [...hello, { role: 'assistant', content }, { role: 'user', content: 'And?' }];
        const { response } = await setup.post('/v1/messages', { max_tokens: 9, messages });
        assert.equal(response.headers.get('x-llamaduct-dropped'), null);
        const sent = setup.asked()[0]?.messages as unknown as {
          role: string;
          content: string;
          tool_calls?: unknown[];
        }[];
        assert.deepEqual(
          sent.map(({ role }) => role),
          ['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant', 'user'],
        );
        assert.equal(
          sent[2]?.content,
          '1. Llamas\nhttps://example.org/llama\nA camelid.\n\n2. Other\nhttps://example.org/other',
        );
        assert.match(sent[4]?.content ?? '', /The search failed/);
        assert.match(JSON.stringify(sent[1]?.tool_calls), /web_search.*llama/);
        assert.match(JSON.stringify(sent[3]?.tool_calls), /web_search.*alpaca/);
        assert.equal(sent[5]?.content, 'It is a camelid.');
      });

      test(`responses are calls and results for the model, over ${kind} ${server}`, async () => {
        await using setup = await start({ kind, search, turns: [{ text: 'Ok.' }] });
        const action = { type: 'search', query: 'llama', sources: [{ type: 'url', url: 'https://example.org/llama' }] };
        const input = [
          { role: 'user', content: 'What is a llama?' },
          { type: 'web_search_call', id: 'ws_1', status: 'completed', action },
          { type: 'web_search_call', id: 'ws_2', status: 'failed', action: { type: 'search', queries: ['alpaca'] } },
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'A camelid.' }] },
          { role: 'user', content: 'And?' },
        ];
        const { response } = await setup.post('/v1/responses', { input });
        assert.equal(response.headers.get('x-llamaduct-dropped'), null);
        const sent = setup.asked()[0]?.messages ?? [];
        assert.deepEqual(
          sent.map(({ role }) => role),
          ['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant', 'user'],
        );
        assert.match(sent[2]?.content ?? '', /^Found:\nhttps:\/\/example\.org\/llama\n/);
        assert.equal(sent[4]?.content, 'The search failed.');
      });
    }
  }

  test('messages that broke off before the results still have a result for each call', async () => {
    await using setup = await start({ turns: [{ text: 'Ok.' }] });
    const messages = [
      ...hello,
      { role: 'assistant', content: [use('srvtoolu_1', 'llama')] },
      { role: 'user', content: 'And?' },
    ];
    await setup.post('/v1/messages', { max_tokens: 9, messages });
    assert.equal(setup.asked()[0]?.messages[2]?.content, 'The search has no result.');
  });

  test('messages without a query, and results without a call, are left out and named', async () => {
    await using setup = await start({ turns: [{ text: 'Ok.' }] });
    const content = [
      { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
      results('unknown', []),
      { type: 'text', text: 'Found.' },
    ];
    const messages = [...hello, { role: 'assistant', content }, { role: 'user', content: 'And?' }];
    const { response } = await setup.post('/v1/messages', { max_tokens: 9, messages });
    assert.equal(
      response.headers.get('x-llamaduct-dropped'),
      'messages.content.server_tool_use, messages.content.web_search_tool_result',
    );
  });
});

test('the second request of a conversation begins with the prompt that the first one ended with', async () => {
  const script = [
    { text: 'Look.', calls: [{ name: 'web_search', arguments: { query: 'llama' } }] },
    { text: 'A camelid.' },
  ];
  await using setup = await start({ turns: script });
  const tools = [{ type: 'web_search_20250305', name: 'web_search' }];
  const first = JSON.parse((await setup.post('/v1/messages', { max_tokens: 9, messages: hello, tools })).text) as {
    content: unknown;
  };
  const messages = [...hello, { role: 'assistant', content: first.content }, { role: 'user', content: 'And?' }];
  const { response } = await setup.post('/v1/messages', { max_tokens: 9, messages, tools });
  assert.equal(response.headers.get('x-llamaduct-dropped'), null);
  const plain = (message: object): string => JSON.stringify(message).replaceAll(/"(tool_call_)?id":"[^"]*",?/g, '');
  const [, before, after] = setup.asked().map((body) => body.messages.map(plain));
  assert.deepEqual(after?.slice(0, before?.length), before);
});
