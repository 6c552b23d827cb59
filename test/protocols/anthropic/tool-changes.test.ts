import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readMessageRequest } from '../../../src/protocols/anthropic/messages/request.ts';

const schema = { type: 'object', properties: { city: { type: 'string' } } };
const tool = (name: string): object => ({ name, description: `Does ${name}`, input_schema: schema });
const deferred = (name: string): object => ({ ...tool(name), defer_loading: true });
const search = tool('ToolSearch');
const use = (id: string, name: string): object => ({
  role: 'assistant',
  content: [{ type: 'tool_use', id, name, input: {} }],
});
const result = (id: string, content: unknown): object => ({
  role: 'user',
  content: [{ type: 'tool_result', tool_use_id: id, content }],
});
const reference = (name: string): object => ({ type: 'tool_reference', tool_name: name });
const change = (type: string, changed: object): object => ({ role: 'system', content: [{ type, tool: changed }] });
const user = { role: 'user', content: 'hi' };

function read(body: object): { offered: string[]; texts: string[]; dropped: readonly string[] } {
  const { requests, dropped } = readMessageRequest({ model: 'm', max_tokens: 9, messages: [user], ...body });
  const [{ tools = [], messages }] = requests;
  return { offered: tools.map(({ name }) => name), texts: messages.map(({ text }) => text), dropped };
}

const found = [use('1', 'ToolSearch'), result('1', [reference('NotebookEdit'), reference('Bash')])];

suite('the tools that Claude Code loads and changes during a conversation', () => {
  test('a deferred tool is not offered before a search has found it', () => {
    const { offered, dropped } = read({ tools: [deferred('NotebookEdit'), search] });
    assert.deepEqual([offered, dropped], [['ToolSearch'], []]);
  });

  test('the model reads the definition of the tool that its search found, and can call it', () => {
    const { offered, texts, dropped } = read({
      messages: [user, ...found],
      tools: [deferred('NotebookEdit'), search, tool('Write'), deferred('Other')],
    });
    assert.deepEqual(offered, ['ToolSearch', 'Write', 'NotebookEdit']);
    const definition = JSON.stringify({ description: 'Does NotebookEdit', name: 'NotebookEdit', parameters: schema });
    assert.equal(
      texts.at(-1),
      `<functions>\n<function>${definition}</function>\n</functions>\nThe tool Bash is not available.`,
    );
    assert.deepEqual(dropped, []);
  });

  test('tools are offered in the order in which they were loaded, so that the beginning of the prompt stays the same', () => {
    const tools = [deferred('A'), deferred('B'), search];
    const first = [user, use('1', 'ToolSearch'), result('1', [reference('B')])];
    const second = [...first, use('2', 'ToolSearch'), result('2', [reference('A'), reference('B')])];
    assert.deepEqual(read({ messages: first, tools }).offered, ['ToolSearch', 'B']);
    assert.deepEqual(read({ messages: second, tools }).offered, ['ToolSearch', 'B', 'A']);
  });

  test('a tool that was called stays loaded when its reference is no longer in the history', () => {
    const messages = [user, use('1', 'NotebookEdit'), result('1', 'ok')];
    assert.deepEqual(read({ messages, tools: [search, deferred('NotebookEdit')] }).offered, [
      'ToolSearch',
      'NotebookEdit',
    ]);
  });

  test('all deferred tools are offered if the API was to search, because nobody does', () => {
    for (const type of ['tool_search_tool_regex_20251119', 'tool_search_tool_bm25_20251119', 'tool_search_tool_bm25']) {
      const tools = [{ type, name: 'tool_search_tool' }, tool('Write'), deferred('A'), deferred('B')];
      assert.deepEqual(read({ tools }), { offered: ['Write', 'A', 'B'], texts: ['hi'], dropped: [`tools.${type}`] });
    }
  });

  test('tools that the search of the API found before are loaded', () => {
    const content = { type: 'tool_search_tool_search_result', tool_references: [reference('A')] };
    const messages = [
      user,
      { role: 'assistant', content: [{ type: 'tool_search_tool_result', tool_use_id: 's', content }] },
    ];
    assert.deepEqual(read({ messages, tools: [search, deferred('A'), deferred('B')] }).offered, ['ToolSearch', 'A']);
  });

  test('deferred tools are offered if there are no others', () => {
    assert.deepEqual(read({ tools: [deferred('A')] }).offered, ['A']);
  });

  test('a deferred tool that tool_choice names is offered', () => {
    const tool_choice = { type: 'tool', name: 'A' };
    assert.deepEqual(read({ tools: [search, deferred('A')], tool_choice }).offered, ['ToolSearch', 'A']);
  });

  test('tools that a message adds or removes are offered or not from then on', () => {
    const added = [
      change('tool_addition', { type: 'tool_reference', name: 'Later' }),
      change('tool_addition', { type: 'tool_definition', definition: tool('Fresh') }),
    ];
    const removed = [...added, change('tool_removal', { type: 'tool_reference', name: 'Write' })];
    const again = [...removed, change('tool_addition', { type: 'tool_reference', name: 'Write' })];
    const tools = [tool('Write'), search, deferred('Later')];
    assert.deepEqual(read({ messages: [user, ...added], tools }).offered, ['Write', 'ToolSearch', 'Later', 'Fresh']);
    assert.deepEqual(read({ messages: [user, ...removed], tools }).offered, ['ToolSearch', 'Later', 'Fresh']);
    const last = read({ messages: [user, ...again], tools });
    assert.deepEqual(last.offered, ['Write', 'ToolSearch', 'Later', 'Fresh']);
    assert.match(last.texts.join('\n'), /A tool was added:\n<functions>\n.*"name":"Fresh"/);
    assert.match(last.texts.join('\n'), /The tool Write was removed/);
    assert.deepEqual(last.dropped, []);
  });

  test('the changes that a compaction block lists are kept', () => {
    const tool_changes = [{ type: 'tool_addition', tool: { type: 'tool_definition', definition: tool('Fresh') } }];
    const messages = [{ role: 'assistant', content: [{ type: 'compaction', content: 'So far.', tool_changes }] }, user];
    assert.deepEqual(read({ messages, tools: [search] }).offered, ['ToolSearch', 'Fresh']);
  });

  test('changes that cannot be read, and tools of MCP servers, never end the conversation', () => {
    const odd = [
      null,
      7,
      {},
      { type: 'tool_definition' },
      { type: 'tool_definition', definition: { name: 'X', input_schema: 7 } },
    ];
    const messages = [
      user,
      ...odd.map((changed) => ({ role: 'system', content: [{ type: 'tool_addition', tool: changed }] })),
      change('tool_addition', { type: 'mcp_tool_reference', server_name: 's', name: 'Write' }),
      change('tool_removal', { type: 'mcp_toolset_reference', server_name: 's' }),
      { role: 'user', content: [null, { type: 'tool_result', content: [null, { type: 'tool_reference' }] }] },
    ];
    const { offered, dropped } = read({ messages, tools: [tool('Write')] });
    assert.deepEqual(offered, ['Write', 'X']);
    assert.deepEqual(dropped, [
      'messages.content.tool_addition',
      'messages.content.tool_removal',
      'messages.content.tool_reference',
    ]);
  });
});

suite('a compaction block', () => {
  const compaction = { type: 'compaction', content: 'The user wants X.' };

  test('stands for all that comes before it', () => {
    const messages = [
      { role: 'user', content: 'old' },
      { role: 'assistant', content: [{ type: 'text', text: 'older' }, compaction, { type: 'text', text: 'kept' }] },
      { role: 'user', content: 'go on' },
    ];
    assert.deepEqual(read({ system: 's', messages }).texts, [
      's',
      'Summary of the conversation so far:\n\nThe user wants X.',
      'kept',
      'go on',
    ]);
  });

  test('leaves the history as it is if it has no summary', () => {
    const messages = [user, { role: 'assistant', content: [{ type: 'compaction', content: null }] }, user];
    assert.deepEqual(read({ messages }).texts, ['hi', '', 'hi']);
  });
});
