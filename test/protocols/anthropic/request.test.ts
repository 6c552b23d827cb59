import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatRequest, UserMessage } from '../../../src/chat/request.ts';
import { GatewayError } from '../../../src/errors.ts';
import {
  type ParsedMessage,
  readMessageRequest,
  readTokenCountRequest,
} from '../../../src/protocols/anthropic/messages/request.ts';

const hi = [{ role: 'user', content: 'hi' }];
const user = { role: 'user', text: 'hi', images: [] };
const png = 'iVBORw0KGgoAAAANSUhEUgAA';
const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };
const text = (words: string): object => ({ type: 'text', text: words });

function read(body: object): ParsedMessage {
  return readMessageRequest({ model: 'm', max_tokens: 9, messages: hi, ...body });
}

function requestOf(body: object): ChatRequest {
  return read(body).requests[0];
}

function messagesOf(...messages: unknown[]): unknown {
  return requestOf({ messages }).messages;
}

function paramOf(body: unknown): string | undefined {
  try {
    readMessageRequest(body);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.status, 400);
    return error.param ?? 'none';
  }
  return undefined;
}

const minimal = { kind: 'chat', model: 'm', messages: [user], sampling: { maxTokens: 9 } };
const schema = { type: 'object', properties: { city: { type: 'string' } } };
const weather = { name: 'get_weather', description: 'Weather', input_schema: schema };
const tools = [{ name: 'get_weather', description: 'Weather', parameters: schema }];

suite('a message request', () => {
  test('leaves out fields that are absent or null', () => {
    assert.deepEqual(read({}), {
      requests: [minimal],
      stream: false,
      hideThinking: false,
      reportsStop: false,
      dropped: [],
    });
    const nulls = Object.fromEntries(
      'system tools tool_choice thinking output_config output_format stop_sequences temperature top_p top_k stream options keep_alive think metadata cache_control container service_tier'
        .split(' ')
        .map((field) => [field, null]),
    );
    assert.deepEqual(read(nulls), read({}));
  });

  const mapped: [name: string, body: object, expected: object][] = [
    [
      'sampling',
      { temperature: 0, top_p: 0.5, stop_sequences: ['a', 'b'] },
      { sampling: { maxTokens: 9, temperature: 0, topP: 0.5, stop: ['a', 'b'] } },
    ],
    ['no stop sequence', { stop_sequences: [] }, {}],
    ['top_k', { top_k: 3 }, { options: { top_k: 3 } }],
    ["Ollama's options", { options: { num_ctx: 8192, top_k: 3 }, top_k: 3 }, { options: { num_ctx: 8192, top_k: 3 } }],
    ['keep_alive', { keep_alive: '10m' }, { keepAlive: '10m' }],
    ['think', { think: 'high' }, { think: 'high' }],
    ['think: false', { think: false }, { think: false }],
    ['thinking disabled', { thinking: { type: 'disabled' }, output_config: { effort: 'high' } }, { think: false }],
    ['thinking adaptive', { thinking: { type: 'adaptive' } }, {}],
    ['thinking without a budget', { thinking: { type: 'enabled' } }, { think: true }],
    ['a small budget', { thinking: { type: 'enabled', budget_tokens: 1024 } }, { think: 'low' }],
    ['a budget', { thinking: { type: 'enabled', budget_tokens: 4096 } }, { think: 'medium' }],
    ['a big budget', { thinking: { type: 'enabled', budget_tokens: 16_384 } }, { think: 'high' }],
    [
      'an effort beside a budget',
      { thinking: { type: 'enabled', budget_tokens: 1024 }, output_config: { effort: 'xhigh' } },
      { think: 'max' },
    ],
    ['an effort alone', { output_config: { effort: 'medium' } }, { think: 'medium' }],
    ['a format', { output_config: { format: { type: 'json_schema', schema } } }, { format: schema }],
    ['a format by its former name', { output_format: { type: 'json_schema', schema } }, { format: schema }],
    ['tools', { tools: [weather] }, { tools }],
    ['tools with a type', { tools: [{ ...weather, type: 'custom' }], tool_choice: { type: 'auto' } }, { tools }],
    ['no tools', { tools: [], tool_choice: { type: 'auto' } }, {}],
    ['tool_choice none', { tools: [weather], tool_choice: { type: 'none' } }, {}],
    ['tool_choice any', { tools: [weather], tool_choice: { type: 'any' } }, { tools, toolChoice: 'required' }],
    [
      'tool_choice of one tool, and one call',
      { tools: [weather], tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true } },
      { tools, toolChoice: { name: 'get_weather' }, parallelToolCalls: false },
    ],
    ['several calls', { tools: [weather], tool_choice: { type: 'auto', disable_parallel_tool_use: false } }, { tools }],
  ];
  for (const [name, body, expected] of mapped) {
    test(`reads ${name}`, () => assert.deepEqual(requestOf(body), { ...minimal, ...expected }));
  }

  test('reads whether the stop sequence is reported, the answer is streamed, and thinking is hidden', () => {
    const { reportsStop, stream, hideThinking } = read({
      stop_sequences: ['x'],
      stream: true,
      thinking: { type: 'adaptive', display: 'omitted' },
    });
    assert.deepEqual([reportsStop, stream, hideThinking], [true, true, true]);
  });

  test('reports fields that have no effect as dropped', () => {
    const cache_control = { type: 'ephemeral' };
    const { dropped } = read({
      system: [{ ...text('s'), cache_control }],
      metadata: { user_id: 'u' },
      service_tier: 'standard_only',
      mcp_servers: [{ name: 'x' }],
      tools: [
        { ...weather, strict: true, cache_control },
        { type: 'web_search_20250305', name: 'web_search' },
        { type: 'bash_20250124', name: 'bash' },
      ],
      thinking: { type: 'between_tools' },
      output_config: { task_budget: 5 },
      messages: [
        { role: 'user', content: [{ ...picture, transformations: { resize: 'no' } }] },
        {
          role: 'assistant',
          content: [
            { type: 'redacted_thinking', data: 'x' },
            { type: 'server_tool_use', id: 'srv_1', name: 'web_search', input: {} },
            { type: 'web_search_tool_result', tool_use_id: 'srv_1', content: [] },
            { ...text('found'), citations: [{ type: 'char_location' }] },
          ],
        },
        ...hi,
      ],
    });
    assert.deepEqual(
      [...dropped].toSorted(),
      [
        'cache_control',
        'mcp_servers',
        'messages.content.citations',
        'messages.content.redacted_thinking',
        'messages.content.server_tool_use',
        'messages.content.transformations',
        'messages.content.web_search_tool_result',
        'metadata',
        'output_config.task_budget',
        'service_tier',
        'thinking.type',
        'tools.bash_20250124',
        'tools.strict',
        'tools.web_search_20250305',
      ].toSorted(),
    );
  });

  test('does not change a prototype for a field named __proto__', () => {
    const body: unknown = JSON.parse(
      '{"model":"m","max_tokens":1,"__proto__":{"stream":true},"options":{"__proto__":{"x":1}},"top_k":1,"messages":[{"role":"user","content":[{"type":"text","text":"a","__proto__":{"b":1}}]}]}',
    );
    const { requests, dropped, stream } = readMessageRequest(body);
    assert.equal(stream, false);
    assert.deepEqual(dropped, ['__proto__', 'messages.content.__proto__']);
    assert.equal(Object.getPrototypeOf(requests[0].options), Object.prototype);
  });

  const refused: [param: string, body: unknown][] = [
    ['none', []],
    ['none', 'hi'],
    ['max_tokens', { model: 'm', messages: hi }],
    ['messages', { model: 'm', max_tokens: 1 }],
    ...(
      [
        ['model', { model: 7 }],
        ['messages', { messages: [] }],
        ['messages', { messages: 'hi' }],
        ['messages[0]', { messages: [null] }],
        ['messages[0].role', { messages: [{ content: 'x' }] }],
        ['stream', { stream: 'yes' }],
        ['thinking.budget_tokens', { thinking: { type: 'enabled', budget_tokens: 'nine' } }],
        ['think', { thinking: { type: 'disabled' }, think: true }],
        ['output_config.effort', { output_config: { effort: 7 } }],
        ['output_config.format.type', { output_config: { format: { type: 'xml' } } }],
        ['output_config.format.schema', { output_config: { format: { type: 'json_schema' } } }],
        [
          'output_format',
          {
            output_config: { format: { type: 'json_schema', schema } },
            output_format: { type: 'json_schema', schema: { type: 'array' } },
          },
        ],
        ['tools[0].name', { tools: [{ input_schema: schema }] }],
        ['tools[0].input_schema', { tools: [{ name: 'f' }] }],
        ['tool_choice', { tool_choice: { type: 'any' } }],
        ['tool_choice', { tools: [weather], tool_choice: { type: 'tool', name: 'other' } }],
        ['tool_choice', { tools: [{ type: 'bash_20250124', name: 'bash' }], tool_choice: { type: 'any' } }],
        ['tool_choice', { tool_choice: 7 }],
        ['tool_choice.type', { tools: [weather], tool_choice: { type: 'required' } }],
      ] as const
    ).map(([param, body]): [string, unknown] => [param, { model: 'm', max_tokens: 9, messages: hi, ...body }]),
  ];
  for (const [param, body] of refused) {
    test(`is refused with a 400 for ${param}: ${JSON.stringify(body)}`, () => assert.equal(paramOf(body), param));
  }
});

suite('the messages of a message request', () => {
  test('start with system, and have one text for all text blocks', () => {
    const system = [text('a'), text('b')];
    assert.deepEqual(requestOf({ system, messages: [{ role: 'user', content: [text('x'), text('y')] }] }).messages, [
      { role: 'system', text: 'a\nb' },
      { role: 'user', text: 'x\ny', images: [] },
    ]);
    assert.deepEqual(messagesOf(...hi, { role: 'system', content: 'be brief' }), [
      user,
      { role: 'system', text: 'be brief' },
    ]);
  });

  test('have images as base64 or as addresses to fetch', () => {
    const url = 'https://example.com/cat.png';
    const content = [picture, text('see'), { type: 'image', source: { type: 'url', url } }];
    assert.deepEqual(messagesOf({ role: 'user', content }), [
      { role: 'user', text: 'see', images: [{ base64: png }, { url, param: 'messages[0].content[2].source.url' }] },
    ]);
  });

  const badImages: [param: string, source: object][] = [
    ['source.type', { type: 'file', file_id: 'file_1' }],
    ['source.data', { type: 'base64', media_type: 'image/png', data: '%%%' }],
    ['source.data', { type: 'base64', media_type: 'image/png', data: btoa('not an image at all') }],
    ['source.url', { type: 'url', url: 'file:///etc/passwd' }],
    ['source', {}],
  ];
  for (const [param, source] of badImages) {
    test(`keep the fault of the ${param} of an image: ${JSON.stringify(source)}`, () => {
      const [message] = messagesOf({ role: 'user', content: [{ type: 'image', source }] }) as UserMessage[];
      const [image] = message?.images ?? [];
      assert.ok(image !== undefined && 'fault' in image);
      assert.match(image.fault.param ?? '', new RegExp(`^messages\\[0\\]\\.content\\[0\\]\\.${param}`));
    });
  }

  test('have images by their bytes, whatever media type they name', () => {
    for (const media_type of ['image/tiff', undefined]) {
      const source = { type: 'base64', media_type, data: png };
      const content = [{ type: 'image', source }];
      assert.deepEqual(messagesOf({ role: 'user', content }), [{ role: 'user', text: '', images: [{ base64: png }] }]);
    }
  });

  test('have tool results as separate messages, then the rest of the message', () => {
    const use = (id: string, name: string, input: object): object => ({ type: 'tool_use', id, name, input });
    const result = (id: string, rest: object): object => ({ type: 'tool_result', tool_use_id: id, ...rest });
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'x' };
    const content = [thinking, text('Let me look.'), use('a', 'f', { x: 1 }), { ...use('b', 'g', {}), caller: {} }];
    const results = [
      text('here'),
      result('a', { content: [text('18 C'), picture] }),
      result('b', { content: 'no such city', is_error: true }),
      result('c', {}),
    ];
    assert.deepEqual(messagesOf(...hi, { role: 'assistant', content }, { role: 'user', content: results }), [
      user,
      {
        role: 'assistant',
        text: 'Let me look.',
        reasoning: 'Hm.',
        toolCalls: [
          { id: 'a', name: 'f', arguments: { x: 1 } },
          { id: 'b', name: 'g', arguments: {} },
        ],
      },
      { role: 'tool', text: '18 C', callId: 'a', name: 'f', images: [{ base64: png }] },
      { role: 'tool', text: 'Error: no such city', callId: 'b', name: 'g' },
      { role: 'tool', text: '', callId: 'c', name: undefined },
      { role: 'user', text: 'here', images: [] },
    ]);
    assert.deepEqual(messagesOf({ role: 'user', content: [result('a', { content: 'ok' })] }), [
      { role: 'tool', text: 'ok', callId: 'a', name: undefined },
    ]);
  });

  test('leave the text of a failed tool unchanged when it already begins with error', () => {
    for (const content of ['Error: x', '<tool_use_error>x</tool_use_error>', 'ERROR x']) {
      const block = { type: 'tool_result', tool_use_id: 'a', is_error: true, content };
      assert.partialDeepStrictEqual(messagesOf({ role: 'user', content: [block] }), [{ role: 'tool', text: content }]);
    }
  });

  test('contain the text of documents and search results', () => {
    const plain = { type: 'text', media_type: 'text/plain', data: 'Once.' };
    const content = [
      { type: 'document', source: plain, title: 'Tale', context: 'A book', citations: { enabled: false } },
      { type: 'document', source: { type: 'content', content: [text('Twice.'), picture] } },
      { type: 'document', source: { type: 'content', content: 'Thrice.' } },
      { type: 'search_result', title: 'Page', source: 'https://example.com', content: [text('Found.')] },
    ];
    const { requests, dropped } = read({ messages: [{ role: 'user', content }] });
    assert.deepEqual(requests[0].messages, [
      {
        role: 'user',
        text: 'Tale\nA book\nOnce.\nTwice.\nThrice.\nPage\nhttps://example.com\nFound.',
        images: [{ base64: png }],
      },
    ]);
    assert.deepEqual(dropped, []);
    const cited = { type: 'document', source: plain, citations: { enabled: true } };
    assert.deepEqual(read({ messages: [{ role: 'user', content: [cited] }] }).dropped, ['messages.content.citations']);
  });

  const documents: [name: string, document: object, text: string][] = [
    ['by address', { source: { type: 'url', url: 'https://example.com/x/a.pdf?b' } }, '"a.pdf" is left out'],
    ['by id', { source: { type: 'file', file_id: 'file_1' } }, '"file_1" is left out'],
    ['that is a PDF', { source: { type: 'base64', data: 'JVBERi0=' }, title: 'A' }, '"A" is left out: PDFs'],
    ['without data', { source: { type: 'base64' } }, 'The file is left out'],
    ['without a source', {}, 'The file is left out'],
    ['of text in base64', { source: { type: 'base64', media_type: 'text/csv', data: btoa('a;b') } }, 'a;b'],
  ];
  for (const [name, document, expected] of documents) {
    test(`have a text for a document ${name}`, () => {
      const content = [{ type: 'document', ...document }, text('Sum it up.')];
      const [message] = messagesOf({ role: 'user', content }) as UserMessage[];
      assert.ok(message?.text.includes(expected), message?.text);
      assert.ok(message?.text.endsWith('Sum it up.'));
    });
  }

  const odd: [name: string, message: object, expected: object][] = [
    ['no content', { role: 'user' }, { role: 'user', text: '', images: [] }],
    ['a number as content', { role: 'user', content: 7 }, { role: 'user', text: '7', images: [] }],
    ['one block alone', { role: 'user', content: text('x') }, { role: 'user', text: 'x', images: [] }],
    ['a string among the blocks', { role: 'user', content: ['x', null] }, { role: 'user', text: 'x', images: [] }],
    ['a block without a type', { role: 'user', content: [{ text: 'x' }] }, { role: 'user', text: 'x', images: [] }],
    [
      'only a block of an unknown type',
      { role: 'user', content: [{ type: 'video' }] },
      { role: 'user', text: '(left out: video)', images: [] },
    ],
    ['a role of its own', { role: 'control', content: 'x' }, { role: 'other', name: 'control', text: 'x' }],
    ['the role developer', { role: 'developer', content: 'x' }, { role: 'system', text: 'x' }],
    [
      'a tool_use without an id, a name and an input',
      { role: 'assistant', content: [{ type: 'tool_use', input: '{"a": 1' }] },
      { role: 'assistant', text: '', reasoning: '', toolCalls: [{ id: '', name: '', arguments: { a: 1 } }] },
    ],
    [
      'a tool_result without an id',
      { role: 'user', content: [{ type: 'tool_result' }] },
      { role: 'tool', text: '', callId: '', name: undefined },
    ],
  ];
  for (const [name, message, expected] of odd) {
    test(`are read with ${name}`, () => assert.deepEqual(messagesOf(message), [expected]));
  }

  test('name the blocks that are passed over', () => {
    const content = [{ type: 'fallback' }, { type: 'container_upload', file_id: 'f' }, { type: 'a b' }, text('x')];
    assert.deepEqual(read({ messages: [{ role: 'assistant', content }] }).dropped, [
      'messages.content.fallback',
      'messages.content.container_upload',
      'messages.content.other',
    ]);
  });

  test('may end in an unfinished answer, which is sent unchanged', () => {
    assert.deepEqual(messagesOf(...hi, { role: 'assistant', content: 'The best answer is (' }), [
      user,
      { role: 'assistant', text: 'The best answer is (', reasoning: '', toolCalls: [] },
    ]);
  });
});

suite('a request to count tokens', () => {
  test('has the same prompt and asks for one token', () => {
    const prompt = {
      model: 'm',
      system: 's',
      messages: hi,
      tools: [weather],
      thinking: { type: 'enabled', budget_tokens: 1024 },
      output_config: { format: { type: 'json_schema', schema } },
      keep_alive: '1m',
      options: { num_ctx: 99 },
      cache_control: { type: 'ephemeral' },
    };
    assert.deepEqual(readTokenCountRequest(prompt), {
      requests: [
        {
          kind: 'chat',
          model: 'm',
          messages: [{ role: 'system', text: 's' }, user],
          tools,
          think: 'low',
          keepAlive: '1m',
          options: { num_ctx: 99 },
          sampling: { maxTokens: 1 },
        },
      ],
      stream: false,
      hideThinking: false,
      reportsStop: false,
      dropped: ['cache_control'],
    });
  });
});

suite("Claude Code's line for billing", () => {
  const billing = 'x-anthropic-billing-header: cc_version=2.1.1; cch=abcde;';
  const cases: [name: string, system: unknown, expected: string[]][] = [
    [
      'as a block of its own',
      [
        { type: 'text', text: billing },
        { type: 'text', text: 'Be brief.' },
      ],
      ['Be brief.'],
    ],
    ['before the text of a block', [{ type: 'text', text: `${billing}\n\nBe brief.` }], ['Be brief.']],
    ['before a text', `${billing}\nBe brief.`, ['Be brief.']],
    ['alone', [{ type: 'text', text: billing }], []],
    ['within a text, which is left as it is', `Say ${billing}`, [`Say ${billing}`]],
  ];
  for (const [name, system, expected] of cases) {
    test(`does not reach the model: ${name}`, () => {
      const { requests, dropped } = readMessageRequest({
        model: 'm',
        max_tokens: 1,
        system,
        messages: [{ role: 'user', content: 'hi' }],
      });
      const texts = requests[0].messages.filter(({ role }) => role === 'system').map(({ text }) => text);
      assert.deepEqual([texts, dropped], [expected, []]);
    });
  }
});
