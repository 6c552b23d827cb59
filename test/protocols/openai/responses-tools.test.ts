import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { Accumulator } from '../../../src/chat/accumulator.ts';
import type { ChatEvent } from '../../../src/chat/event.ts';
import type { AnswerHead, GenerationCall } from '../../../src/chat/protocol.ts';
import type { ChatRequest, JsonObject } from '../../../src/chat/request.ts';
import type { TotalUsage } from '../../../src/chat/stream.ts';
import { responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';
import { assertMatches, assertResponseEvent } from '../../conformance/openai-schema.ts';

const head: AnswerHead = { id: 'resp_1', created: 1, model: 'm', arrivedAt: 1000, now: () => 2000 };
const total: TotalUsage = { usage: { inputTokens: 4, outputTokens: 3 }, timings: {} };
const store = new MemoryTextStore({ entries: 10, bytes: 1e6, ttl: 60_000 });

async function read(body: object): Promise<GenerationCall> {
  return await responses(store).read({ model: 'm', input: 'hi', ...body }, 'tester');
}

async function chat(body: object): Promise<ChatRequest> {
  const [request] = (await read(body)).requests;
  return request.kind === 'chat' ? request : assert.fail('not a chat');
}

async function offeredNames(body: object): Promise<string[]> {
  return ((await chat(body)).tools ?? []).map(({ name }) => name);
}

/** The item that a call becomes, which is the same streamed and whole. */
async function itemOf(tools: readonly object[], name: string, args: string): Promise<object> {
  const events: ChatEvent[] = [
    { type: 'tool-call', id: 'c1', name, arguments: args },
    { type: 'finish', reason: 'tool_calls', ...total },
  ];
  const encoder = (await read({ tools })).encoder(head);
  const frames = (events.map((event) => encoder.write(event, 0)).join('') + encoder.end(total)).split('\n\n');
  const sent = frames
    .filter((frame) => frame.startsWith('event: '))
    .map((frame) => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)) as ResponseStreamEvent);
  for (const event of sent) assertResponseEvent(event);
  const done = sent.find(({ type }) => type === 'response.output_item.done');
  const accumulator = new Accumulator();
  for (const event of events) accumulator.add(event);
  assert.ok(accumulator.result);
  const response = (await read({ tools })).respond([accumulator.result], total, head) as Response;
  assertMatches('Response', response);
  assert.ok(done !== undefined && 'item' in done);
  assert.deepEqual(response.output, [done.item]);
  return done.item;
}

const lookUp = { type: 'function', name: 'look_up', parameters: { type: 'object' } };
const vault = { type: 'namespace', name: 'mcp__vault', description: 'd', tools: [{ type: 'function', name: 'open' }] };

suite('tools in a namespace', () => {
  test('are offered by a name with the namespace, and called by their own', async () => {
    assert.deepEqual(await offeredNames({ tools: [lookUp, vault] }), ['look_up', 'mcp__vault__open']);
    assert.deepEqual(await itemOf([lookUp, vault], 'mcp__vault__open', '{"a":1}'), {
      type: 'function_call',
      id: 'fc_1_0',
      status: 'completed',
      call_id: 'c1',
      name: 'open',
      arguments: '{"a":1}',
      namespace: 'mcp__vault',
    });
  });

  test('are found when the model leaves out the namespace, unless two have the name', async () => {
    const other = { ...vault, name: 'mcp__other' };
    const alone = (await itemOf([vault], 'open', '{}')) as { namespace?: string };
    const ambiguous = (await itemOf([vault, other], 'open', '{}')) as { namespace?: string };
    assert.deepEqual([alone.namespace, ambiguous.namespace], ['mcp__vault', undefined]);
  });

  test('tell the model once what the namespace is for', async () => {
    const shut = { type: 'function', name: 'shut', description: 'Shuts.' };
    const { tools = [] } = await chat({ tools: [{ ...vault, tools: [shut, ...vault.tools] }] });
    assert.deepEqual(
      tools.map(({ description }) => description),
      ['Shuts.\n\nAbout all mcp__vault tools: d', undefined],
    );
    assert.deepEqual((await read({ tools: [vault] })).dropped, []);
  });

  test('have names of at most 64 characters, in the history too', async () => {
    const [name, namespace] = ['tool_'.padEnd(40, 'y'), 'mcp__'.padEnd(60, 'x')];
    const tools = [{ ...vault, name: namespace, tools: [{ type: 'function', name }] }];
    const [offered = ''] = await offeredNames({ tools });
    assert.ok(offered.length <= 64, offered);
    assert.partialDeepStrictEqual(await itemOf(tools, offered, '{}'), { name, namespace });
    const call = { type: 'function_call', call_id: 'c', name, namespace, arguments: '{}' };
    for (const body of [{ tools, input: [call] }, { input: [call] }]) {
      assert.partialDeepStrictEqual((await chat(body)).messages, [{ toolCalls: [{ name: offered }] }]);
    }
  });

  test('whose name begins with the namespace keep it', async () => {
    const tools = [{ ...vault, tools: [{ type: 'function', name: 'mcp__vault__open' }] }];
    assert.deepEqual(await offeredNames({ tools }), ['mcp__vault__open']);
  });

  test('do not hide a function of the same name', async () => {
    const tools = [{ type: 'function', name: 'mcp__vault__open' }, vault];
    assert.deepEqual(await offeredNames({ tools }), ['mcp__vault__open', 'mcp__vault__open_2']);
    const item = (await itemOf(tools, 'mcp__vault__open_2', '{}')) as { namespace?: string; name: string };
    assert.deepEqual([item.name, item.namespace], ['open', 'mcp__vault']);
  });
});

suite('custom tools', () => {
  const edit = { type: 'custom', name: 'edit', description: 'Edits.' };

  test('are offered as a function of one text, with their grammar', async () => {
    const format = { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' };
    const [tool] = (await chat({ tools: [{ ...edit, format }] })).tools ?? [];
    assert.equal(tool?.description, 'Edits.\n\nThe input must match this Lark grammar:\nstart: /.+/');
    assert.deepEqual(tool.parameters?.['required'], ['input']);
  });

  for (const [text, input] of [
    ['{"input":"*** Begin\\n"}', '*** Begin\n'],
    ['{"patch":"*** Begin"}', '*** Begin'],
    ['"*** Begin"', '*** Begin'],
    ['*** Begin', '*** Begin'],
    ['{"a":"x","b":"y"}', '{"a":"x","b":"y"}'],
    ['{"input":""}', ''],
    ['{}', '{}'],
  ] as const) {
    test(`are called with the text that the model meant by ${text}`, async () => {
      assert.deepEqual(await itemOf([edit], 'edit', text), {
        type: 'custom_tool_call',
        id: 'ctc_1_0',
        status: 'completed',
        call_id: 'c1',
        name: 'edit',
        input,
      });
    });
  }
});

suite('tools that the client runs', () => {
  const cases: [type: string, args: object, expected: object][] = [
    [
      'local_shell',
      { command: ['ls', '-l'], working_directory: '/tmp' },
      {
        type: 'local_shell_call',
        id: 'lsh_1_0',
        action: { type: 'exec', command: ['ls', '-l'], env: {}, working_directory: '/tmp' },
      },
    ],
    [
      'local_shell',
      { command: 'ls | head' },
      {
        type: 'local_shell_call',
        id: 'lsh_1_0',
        action: { type: 'exec', command: ['bash', '-lc', 'ls | head'], env: {} },
      },
    ],
    [
      'local_shell',
      { command: ['ls'], timeout_ms: 500 },
      {
        type: 'local_shell_call',
        id: 'lsh_1_0',
        action: { type: 'exec', command: ['ls'], env: {}, timeout_ms: 500 },
      },
    ],
    [
      'shell',
      { commands: ['ls'], timeout_ms: 500 },
      {
        type: 'shell_call',
        id: 'sh_1_0',
        action: { commands: ['ls'], timeout_ms: 500, max_output_length: null },
        environment: null,
      },
    ],
    [
      'apply_patch',
      { type: 'create_file', path: 'a.txt', diff: '+a' },
      { type: 'apply_patch_call', id: 'apc_1_0', operation: { type: 'create_file', path: 'a.txt', diff: '+a' } },
    ],
    [
      'apply_patch',
      { type: 'delete_file', path: 'a.txt' },
      { type: 'apply_patch_call', id: 'apc_1_0', operation: { type: 'delete_file', path: 'a.txt' } },
    ],
  ];
  for (const [type, args, expected] of cases) {
    test(`${type} with ${JSON.stringify(args)} becomes an item of its own`, async () => {
      assert.deepEqual(await offeredNames({ tools: [{ type }] }), [type]);
      const item = await itemOf([{ type }], type, JSON.stringify(args));
      assert.deepEqual(item, { ...expected, status: 'completed', call_id: 'c1' });
    });
  }
});

suite('a computer', () => {
  const preview = { type: 'computer_use_preview', display_width: 800, display_height: 600, environment: 'browser' };
  const base = { type: 'computer_call', id: 'cu_1_0', status: 'completed', call_id: 'c1', pending_safety_checks: [] };
  const cases: [args: object, action: object][] = [
    [
      { type: 'click', x: 1.4, y: 2 },
      { type: 'click', button: 'left', x: 1, y: 2 },
    ],
    [
      { type: 'click', x: 1, y: 2, button: 'right' },
      { type: 'click', button: 'right', x: 1, y: 2 },
    ],
    [
      { type: 'double_click', x: 1, y: 2 },
      { type: 'double_click', keys: null, x: 1, y: 2 },
    ],
    [
      { type: 'move', x: 1, y: 2 },
      { type: 'move', x: 1, y: 2 },
    ],
    [
      { type: 'scroll', x: 1, y: 2, scroll_y: 100 },
      { type: 'scroll', x: 1, y: 2, scroll_x: 0, scroll_y: 100 },
    ],
    [
      { type: 'type', text: 'heron' },
      { type: 'type', text: 'heron' },
    ],
    [
      { type: 'keypress', keys: 'Enter' },
      { type: 'keypress', keys: ['Enter'] },
    ],
    [
      { type: 'drag', path: [{ x: 1, y: 2 }, 'x'] },
      { type: 'drag', path: [{ x: 1, y: 2 }] },
    ],
    [{ type: 'wait' }, { type: 'wait' }],
    [{ type: 'look' }, { type: 'screenshot' }],
  ];
  for (const [args, action] of cases) {
    test(`does ${JSON.stringify(args)}`, async () => {
      const text = JSON.stringify(args);
      assert.deepEqual(await itemOf([preview], 'computer', text), { ...base, action });
      assert.deepEqual(await itemOf([{ type: 'computer' }], 'computer', text), { ...base, action, actions: [action] });
    });
  }

  test('is offered as a function that tells the size of the screen, and can be required', async () => {
    const body = { tools: [preview], tool_choice: { type: 'computer_use_preview' } };
    const { tools = [], toolChoice } = await chat(body);
    assert.match(tools[0]?.description ?? '', /browser.* 800 x 600 pixels/);
    assert.deepEqual(toolChoice, { name: 'computer' });
    assert.deepEqual((await read(body)).dropped, []);
  });
});

suite('tools that are searched for', () => {
  const deferred = { ...lookUp, defer_loading: true };

  test('are not offered until the client has found them', async () => {
    const tools = [{ type: 'tool_search', execution: 'client' }, deferred];
    assert.deepEqual(await offeredNames({ tools }), ['tool_search']);
    assert.deepEqual(await itemOf(tools, 'tool_search', '{"query":"vault"}'), {
      type: 'tool_search_call',
      id: 'tsc_1_0',
      status: 'completed',
      call_id: 'c1',
      execution: 'client',
      arguments: { query: 'vault' },
    });
  });

  test('are all offered when nobody could find them', async () => {
    const body = { tools: [{ type: 'tool_search' }, deferred] };
    assert.deepEqual(await offeredNames(body), ['look_up']);
    assert.deepEqual((await read(body)).dropped, ['tools.tool_search']);
  });
});

suite('tool_choice', () => {
  const tools = [lookUp, vault, { type: 'custom', name: 'edit' }, { type: 'shell' }];
  const cases: [choice: JsonObject, expected: string | undefined, offered: number][] = [
    [{ type: 'custom', name: 'edit' }, 'edit', 4],
    [{ type: 'shell' }, 'shell', 4],
    [{ type: 'function', name: 'open' }, 'mcp__vault__open', 4],
    [{ type: 'function', name: 'open', namespace: 'mcp__vault' }, 'mcp__vault__open', 4],
    [{ type: 'function', name: 'mcp__vault__open' }, 'mcp__vault__open', 4],
    [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'custom', name: 'edit' }] }, undefined, 1],
    [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'namespace', name: 'mcp__vault' }] }, undefined, 1],
    [{ type: 'web_search' }, undefined, 4],
  ];
  for (const [choice, expected, offered] of cases) {
    test(`${JSON.stringify(choice)} is applied`, async () => {
      const { toolChoice, tools: sent = [] } = await chat({ tools, tool_choice: choice });
      assert.deepEqual(toolChoice, expected === undefined ? undefined : { name: expected });
      assert.equal(sent.length, offered);
    });
  }

  test('of a name that several namespaces have allows all of these', async () => {
    const other = { ...vault, name: 'mcp__other' };
    const choice = { type: 'function', name: 'open' };
    const { toolChoice, tools: sent = [] } = await chat({ tools: [lookUp, vault, other], tool_choice: choice });
    assert.equal(toolChoice, 'required');
    assert.deepEqual(
      sent.map(({ name }) => name),
      ['mcp__vault__open', 'mcp__other__open'],
    );
    const plain = { type: 'function', name: 'open' };
    assert.deepEqual((await chat({ tools: [vault, other, plain], tool_choice: choice })).toolChoice, { name: 'open' });
  });

  test('of a namespace requires one of its tools', async () => {
    const two = { ...vault, tools: [...vault.tools, { type: 'function', name: 'shut' }] };
    const body = { tools: [lookUp, two], tool_choice: { type: 'namespace', name: 'mcp__vault' } };
    assert.deepEqual(
      [(await chat(body)).toolChoice, await offeredNames(body)],
      ['required', ['mcp__vault__open', 'mcp__vault__shut']],
    );
  });

  test('in the form of chat completions is applied', async () => {
    const choice = { type: 'function', function: { name: 'look_up' } };
    assert.deepEqual((await chat({ tools, tool_choice: choice })).toolChoice, { name: 'look_up' });
  });

  test('that requires a tool that is not offered is a 400', async () => {
    await assert.rejects(chat({ tools, tool_choice: { type: 'custom', name: 'look_up' } }), { param: 'tool_choice' });
  });
});

suite('calls in the history', () => {
  const user = { role: 'user', content: 'Go on.' };
  const shell = { commands: ['ls'], timeout_ms: null, max_output_length: 100 };
  const cases: [name: string, items: object[], calls: object, result: string][] = [
    [
      'a custom tool',
      [
        { type: 'custom_tool_call', call_id: 'c', name: 'edit', input: '*** Begin' },
        { type: 'custom_tool_call_output', call_id: 'c', output: 'Done.' },
      ],
      { id: 'c', name: 'edit', arguments: { input: '*** Begin' } },
      'Done.',
    ],
    [
      'a tool in a namespace',
      [
        { type: 'function_call', call_id: 'c', name: 'open', namespace: 'mcp__vault', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c', output: 'open' },
      ],
      { id: 'c', name: 'mcp__vault__open', arguments: { a: 1 } },
      'open',
    ],
    [
      'a shell',
      [
        { type: 'shell_call', call_id: 'c', action: shell },
        {
          type: 'shell_call_output',
          call_id: 'c',
          output: [{ stdout: 'a.txt\n', stderr: 'warning', outcome: { type: 'exit', exit_code: 0 } }],
        },
      ],
      { id: 'c', name: 'shell', arguments: { commands: ['ls'], max_output_length: 100 } },
      'a.txt\n\nwarning\nExit code: 0',
    ],
    [
      'a local shell, whose output has the id of the call',
      [
        { type: 'local_shell_call', call_id: 'c', action: { type: 'exec', command: ['ls'], env: {} } },
        { type: 'local_shell_call_output', id: 'c', output: 'a.txt' },
      ],
      { id: 'c', name: 'local_shell', arguments: { command: ['ls'] } },
      'a.txt',
    ],
    [
      'a patch without an output',
      [
        { type: 'apply_patch_call', call_id: 'c', operation: { type: 'delete_file', path: 'a' } },
        { type: 'apply_patch_call_output', call_id: 'c', status: 'completed' },
      ],
      { id: 'c', name: 'apply_patch', arguments: { type: 'delete_file', path: 'a' } },
      'completed',
    ],
    [
      'a search',
      [
        { type: 'tool_search_call', call_id: 'c', execution: 'client', arguments: { query: 'vault' } },
        { type: 'tool_search_output', call_id: 'c', execution: 'client', tools: [vault] },
      ],
      { id: 'c', name: 'tool_search', arguments: { query: 'vault' } },
      'Found: mcp__vault__open.',
    ],
  ];
  for (const [name, items, call, result] of cases) {
    test(`of ${name} reach the model`, async () => {
      const { messages } = await chat({ input: [...items, user], tools: [vault, { type: 'custom', name: 'edit' }] });
      assert.deepEqual(
        messages.map((message) => [message.role, message.role === 'assistant' ? message.toolCalls : message.text]),
        [
          ['assistant', [call]],
          ['tool', result],
          ['user', 'Go on.'],
        ],
      );
    });
  }

  const png = 'iVBORw0KGgo=';
  const hosted: [name: string, items: object[], call: object, result: string, images: number][] = [
    [
      'a hosted MCP server',
      [{ type: 'mcp_call', id: 'mcp_1', server_label: 's', name: 'find', arguments: '{"a":1}', output: 'found' }],
      { id: 'mcp_1', name: 'find', arguments: { a: 1 } },
      'found',
      0,
    ],
    [
      'a hosted MCP server that failed',
      [{ type: 'mcp_call', id: 'mcp_1', name: 'find', arguments: '', output: null, error: 'no such thing' }],
      { id: 'mcp_1', name: 'find', arguments: {} },
      'no such thing',
      0,
    ],
    [
      'a code interpreter',
      [{ type: 'code_interpreter_call', id: 'ci_1', code: 'print(1)', outputs: [{ type: 'logs', logs: '1' }] }],
      { id: 'ci_1', name: 'code_interpreter', arguments: { code: 'print(1)' } },
      '1',
      0,
    ],
    [
      'a file search',
      [{ type: 'file_search_call', id: 'fs_1', queries: ['q'], results: [{ filename: 'a.md', text: 'Yes.' }] }],
      { id: 'fs_1', name: 'file_search', arguments: { queries: ['q'] } },
      'a.md\nYes.',
      0,
    ],
    [
      'an image generator',
      [{ type: 'image_generation_call', id: 'ig_1', result: png, revised_prompt: 'a heron' }],
      { id: 'ig_1', name: 'image_generation', arguments: { prompt: 'a heron' } },
      '',
      1,
    ],
    [
      'a computer',
      [
        { type: 'computer_call', id: 'cu_1', call_id: 'c', action: { type: 'click', x: 1, y: 2 } },
        {
          type: 'computer_call_output',
          call_id: 'c',
          output: { type: 'computer_screenshot', image_url: `data:image/png;base64,${png}` },
        },
      ],
      { id: 'c', name: 'computer', arguments: { type: 'click', x: 1, y: 2 } },
      '',
      1,
    ],
    [
      'a program',
      [
        { type: 'program', call_id: 'c', code: 'f()' },
        { type: 'program_output', call_id: 'c', result: '3' },
      ],
      { id: 'c', name: 'program', arguments: { code: 'f()' } },
      '3',
      0,
    ],
  ];
  for (const [name, items, call, result, images] of hosted) {
    test(`of ${name} reach a model that has no such tool`, async () => {
      const [called, answered, last] = (await chat({ input: [...items, user] })).messages;
      assert.partialDeepStrictEqual(called, { role: 'assistant', toolCalls: [call] });
      assert.partialDeepStrictEqual(answered, { role: 'tool', text: result, callId: (call as { id: string }).id });
      assert.equal((answered?.images ?? []).length, images);
      assert.equal(last?.text, 'Go on.');
    });
  }

  test('of hosted tools without a result are left out and named', async () => {
    for (const type of ['mcp_call', 'code_interpreter_call', 'file_search_call', 'image_generation_call']) {
      const { requests, dropped } = await read({ input: [{ type, id: 'x_1', status: 'in_progress' }, user] });
      assert.equal(requests[0].kind === 'chat' && requests[0].messages.length, 1);
      assert.deepEqual(dropped, [`input.${type}`]);
    }
  });

  test('have the arguments that the model wrote, in their order, so that the prompt cache is of use', async () => {
    const { messages } = await chat({
      input: [
        { type: 'apply_patch_call', call_id: 'a', operation: { diff: '+', path: 'a', type: 'create_file' } },
        { type: 'local_shell_call', call_id: 'b', action: { type: 'exec', command: ['ls'], env: {}, user: null } },
        { type: 'computer_call', call_id: 'c', actions: [{ type: 'wait' }] },
        user,
      ],
    });
    const [called] = messages;
    assert.ok(called?.role === 'assistant');
    assert.equal(
      JSON.stringify(called.toolCalls.map((call) => call.arguments)),
      '[{"type":"create_file","path":"a","diff":"+"},{"command":["ls"]},{"type":"wait"}]',
    );
  });

  test('may be between messages of other agents, whose author is named', async () => {
    const message = { type: 'agent_message', author: 'scout', content: [{ type: 'input_text', text: 'Found it.' }] };
    const { messages } = await chat({ input: [message, { ...message, author: undefined }, user] });
    assert.deepEqual(
      messages.map(({ role, text }) => `${role}: ${text}`),
      ['user: Message from scout:\nFound it.', 'user: Found it.', 'user: Go on.'],
    );
  });

  test('offer the tools that a search found, and name those that cannot be read', async () => {
    const found = { type: 'tool_search_output', call_id: 's', tools: [vault, { type: 'function' }, 'x'] };
    const body = { tools: [{ type: 'tool_search', execution: 'client' }], input: [found, user] };
    assert.deepEqual(await offeredNames(body), ['tool_search', 'mcp__vault__open']);
    assert.deepEqual((await read(body)).dropped, ['input.tool_search_output']);
  });
});
