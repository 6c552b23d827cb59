import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { tables } from './tables.ts';
import { embeddings, generates, generation, hi, upstreamBodies } from './upstream-bodies.ts';

const bases: Readonly<Record<string, object>> = {
  ...generates,
  '/v1/embeddings': { model: 'm', input: 'hi' },
  '/v1beta/generateContent': { model: 'm', contents: 'hi' },
  '/v1beta/embedContent': { model: 'm', content: 'hi' },
  '/v1beta/batchEmbedContents': { model: 'm', requests: [{ content: 'hi' }] },
  '/api/chat': { model: 'm', messages: hi },
  '/api/generate': { model: 'm', prompt: 'a' },
  '/api/embed': { model: 'm', input: 'hi' },
  '/api/embeddings': { model: 'm', prompt: 'hi' },
};

async function read(path: string, body: object): Promise<{ readonly dropped: readonly string[] }> {
  const protocol = generation.find((one) => one.path === path) ?? embeddings.find((one) => one.path === path);
  const call = await (protocol ?? assert.fail()).read(structuredClone(body), '');
  const unsupported = 'requests' in call ? (call.requests[0].extra?.names ?? []) : [];
  return { dropped: [...call.dropped, ...unsupported] };
}

/** The fields without which there is nothing to answer. */
const contents = ['content', 'contents', 'requests', 'messages', 'input', 'prompt', 'max_tokens'];

const odd = [null, '', [], {}, false, true, -1, 0, 1.5, 1e308, '0.7', 'true', 'x', [1], { a: 1 }, [[]], [{}], [null]];

for (const [path, table] of Object.entries(tables)) {
  suite(`every field of ${path}`, () => {
    for (const [name, field] of Object.entries(table)) {
      test(`${name} is read, named or a 400 about it, whatever its value`, async () => {
        for (const value of odd) {
          const message = `${name}: ${JSON.stringify(value)}`;
          try {
            await read(path, { ...bases[path], [name]: value });
          } catch (error) {
            assert.ok(error instanceof GatewayError, `${message} threw ${String(error)}`);
            assert.equal(error.status, 400, message);
            assert.match(String(error.param), new RegExp(`^${name}\\b`), message);
            const isEmpty = value === null || value === '';
            assert.ok(!isEmpty || contents.includes(name), `${message}: an empty value is absent`);
            assert.notEqual(field.effect, 'none', `${message}: a field that changes nothing`);
          }
        }
      });
    }
  });
}

suite('values that Ollama takes', () => {
  const cases: readonly (readonly [body: object, options: object | undefined])[] = [
    [{ temperature: 2.5 }, { temperature: 2.5 }],
    [{ temperature: -1 }, { temperature: 0 }],
    [{ top_p: 1.5 }, { top_p: 1 }],
    [{ top_p: -0.5 }, { top_p: 0 }],
    [
      { frequency_penalty: 3, presence_penalty: -3 },
      { frequency_penalty: 3, presence_penalty: -3 },
    ],
    [{ seed: 1.5 }, { seed: 1 }],
    [{ seed: -1 }, { seed: -1 }],
    [{ stop: '' }, undefined],
    [{ stop: [null, ''] }, undefined],
    [{ options: [] }, undefined],
    [
      { options: { temperature: '0.3', num_ctx: '4096', use_mmap: 'false', shiny: 'yes' } },
      { temperature: 0.3, num_ctx: 4096, use_mmap: false, shiny: 'yes' },
    ],
  ];
  for (const [body, options] of cases) {
    test(`${JSON.stringify(body)} reach it as ${JSON.stringify(options)}`, async () => {
      const { bodies, dropped } = await upstreamBodies('/v1/chat/completions', {
        ...bases['/v1/chat/completions'],
        ...body,
      });
      assert.deepEqual([bodies['ollama']?.['options'], dropped], [options, []]);
    });
  }

  test('make one answer for n of 0 or less', async () => {
    const protocol = generation.find(({ path }) => path === '/v1/chat/completions') ?? assert.fail();
    for (const n of [0, -1, null, '', '1', 1.5]) {
      const { requests } = await protocol.read({ ...bases['/v1/chat/completions'], n }, '');
      assert.equal(requests.length, 1);
    }
  });

  test('are named if they have no effect', async () => {
    const body = {
      ...bases['/v1/chat/completions'],
      top_logprobs: 3,
      logit_bias: { 50_256: 'x' },
      user: 7,
      store: 'yes',
    };
    assert.deepEqual((await read('/v1/chat/completions', body)).dropped, [
      'user',
      'store',
      'top_logprobs',
      'logit_bias',
    ]);
    assert.deepEqual(
      (await read('/v1/chat/completions', { ...bases['/v1/chat/completions'], logprobs: false, top_logprobs: 0 }))
        .dropped,
      [],
    );
    assert.deepEqual((await read('/v1/messages', { ...bases['/v1/messages'], metadata: 'me' })).dropped, ['metadata']);
  });

  test('may be a keep_alive with a number in a text, which Ollama itself refuses', async () => {
    for (const [keepAlive, sent] of [
      ['-1', -1],
      ['300', 300],
      ['5m', '5m'],
      ['', undefined],
    ] as const) {
      const { bodies } = await upstreamBodies('/v1/chat/completions', {
        ...bases['/v1/chat/completions'],
        keep_alive: keepAlive,
      });
      assert.equal(bodies['ollama']?.['keep_alive'], sent);
    }
  });
});

suite('tools in the form of another API', () => {
  const parameters = { type: 'object', properties: { a: { type: 'string' } } };
  const nested = { type: 'function', function: { name: 'f', description: 'd', parameters } };
  const forms: readonly object[] = [
    nested,
    { function: nested.function },
    { type: 'function', name: 'f', description: 'd', parameters },
    { name: 'f', description: 'd', input_schema: parameters },
  ];
  const taken: Readonly<Record<string, readonly object[]>> = {
    '/v1/chat/completions': forms,
    '/v1/responses': forms.slice(0, 3),
    '/v1/messages': [nested, ...forms.slice(2)],
  };
  for (const [path, tools] of Object.entries(taken)) {
    test(`are offered in ${path}`, async () => {
      for (const tool of tools) {
        const { bodies, dropped } = await upstreamBodies(path, { ...bases[path], tools: [tool] });
        assert.deepEqual([bodies['ollama']?.['tools'], dropped], [[nested], []], JSON.stringify(tool));
      }
    });
  }

  test('may be required by a word in the API of Anthropic', async () => {
    for (const [word, offered] of [
      ['auto', 1],
      ['required', 1],
      ['none', undefined],
    ] as const) {
      const { bodies } = await upstreamBodies('/v1/messages', {
        ...bases['/v1/messages'],
        tools: [nested],
        tool_choice: word,
      });
      const sent = bodies['openai']?.['tools'] as readonly unknown[] | undefined;
      assert.equal(sent?.length, offered, word);
    }
  });
});

suite('values of other APIs', () => {
  test('are a format in one word', async () => {
    for (const [format, sent] of [
      ['text', undefined],
      ['', undefined],
      [{ type: null }, undefined],
      ['json', 'json'],
      ['json_object', 'json'],
    ] as const) {
      const body = { ...bases['/v1/chat/completions'], response_format: format };
      assert.deepEqual((await upstreamBodies('/v1/chat/completions', body)).bodies['ollama']?.['format'], sent);
    }
  });

  test('are a number of log probabilities in a chat', async () => {
    for (const [logprobs, sent] of [
      [0, undefined],
      [5, true],
    ] as const) {
      const body = { ...bases['/v1/chat/completions'], logprobs };
      assert.equal((await upstreamBodies('/v1/chat/completions', body)).bodies['ollama']?.['logprobs'], sent);
    }
  });

  test('are the limits of chat completions in the Responses API', async () => {
    for (const name of ['max_output_tokens', 'max_completion_tokens', 'max_tokens']) {
      const { bodies, dropped } = await upstreamBodies('/v1/responses', { ...bases['/v1/responses'], [name]: 7 });
      assert.deepEqual([bodies['ollama']?.['options'], dropped], [{ num_predict: 7 }, []]);
    }
  });

  test('are items of a text or null in the input of a response', async () => {
    const { bodies } = await upstreamBodies('/v1/responses', {
      model: 'm',
      input: ['a', null, { role: 'user', content: 'b' }],
    });
    assert.deepEqual(bodies['ollama']?.['messages'], [
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ]);
  });
});

suite('unknown fields are named whatever their value', () => {
  for (const [path, base] of Object.entries(bases)) {
    test(`in ${path}`, async () => {
      for (const value of [...odd, 'auto', 'default']) {
        assert.deepEqual((await read(path, { ...base, plumage: value })).dropped, ['plumage'], JSON.stringify(value));
      }
    });
  }

  const x = { plumage: false };
  const nested: readonly (readonly [path: string, body: object, names: readonly string[]])[] = [
    [
      '/v1/chat/completions',
      {
        messages: [
          { role: 'system', content: [{ type: 'text', text: 'a', ...x }], ...x },
          {
            role: 'user',
            name: 'me',
            content: [
              { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low', ...x } },
            ],
          },
          {
            role: 'assistant',
            tool_calls: [{ id: 'c', type: 'function', ...x, function: { name: 'f', arguments: '{}', ...x } }],
          },
          { role: 'tool', tool_call_id: 'c', name: 'f', content: 'r' },
        ],
        tools: [{ type: 'function', ...x, function: { name: 'f', strict: true, parameters: { plumage: 1 }, ...x } }],
        tool_choice: { type: 'function', function: { name: 'f', ...x }, ...x },
        stream_options: { continuous_usage_stats: true, include_usage: true },
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { plumage: 1 }, ...x }, ...x },
        reasoning: { effort: 'low', ...x },
        chat_template_kwargs: { enable_thinking: true, ...x },
      },
      [
        'messages.plumage',
        'messages.content.plumage',
        'messages.name',
        'messages.content.image_url.detail',
        'messages.content.image_url.plumage',
        'messages.tool_calls.plumage',
        'messages.tool_calls.function.plumage',
        'tools.plumage',
        'tools.function.strict',
        'tools.function.plumage',
        'tool_choice.function.plumage',
        'tool_choice.plumage',
        'stream_options.continuous_usage_stats',
        'response_format.json_schema.plumage',
        'response_format.plumage',
        'reasoning.plumage',
        'chat_template_kwargs.plumage',
      ],
    ],
    [
      '/v1/responses',
      {
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'a', ...x }], ...x },
          { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}', ...x },
          { type: 'function_call_output', call_id: 'c', output: 'r', ...x },
        ],
        tools: [{ type: 'function', name: 'f', strict: true, ...x }],
        text: { verbosity: 'high', format: { type: 'text', ...x }, ...x },
        reasoning: { context: 'all', ...x },
        stream_options: { ...x },
      },
      [
        'input.content.plumage',
        'input.plumage',
        'tools.strict',
        'tools.plumage',
        'text.verbosity',
        'text.format.plumage',
        'text.plumage',
        'reasoning.context',
        'reasoning.plumage',
        'stream_options.plumage',
      ],
    ],
    [
      '/v1/messages',
      {
        system: [{ type: 'text', text: 's', cache_control: { type: 'ephemeral' }, ...x }],
        messages: [{ role: 'user', content: [{ type: 'text', text: 'a', ...x }], ...x }],
        tools: [{ name: 'f', input_schema: { plumage: 1 }, input_examples: [{}], ...x }],
        tool_choice: { type: 'auto', ...x },
        thinking: { type: 'adaptive', ...x },
        output_config: { task_budget: 5, ...x },
      },
      [
        'cache_control',
        'system.plumage',
        'messages.content.plumage',
        'messages.plumage',
        'tools.input_examples',
        'tools.plumage',
        'tool_choice.plumage',
        'thinking.plumage',
        'output_config.task_budget',
        'output_config.plumage',
      ],
    ],
    [
      '/api/chat',
      {
        messages: [{ role: 'user', content: 'a', name: 'me', ...x }],
        tools: [{ type: 'function', function: { name: 'f', ...x }, ...x }],
      },
      ['messages.name', 'messages.plumage', 'tools.function.plumage', 'tools.plumage'],
    ],
  ];
  for (const [path, body, names] of nested) {
    test(`in the objects of ${path}`, async () => {
      const { dropped } = await read(path, { ...bases[path], ...body });
      assert.deepEqual(dropped.toSorted(), names.toSorted());
    });
  }
});
