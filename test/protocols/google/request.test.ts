import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { readGenerateContent, readTokenCount } from '../../../src/protocols/google/generate-content/request.ts';

const contents = [{ role: 'user', parts: [{ text: 'hi' }] }];
const png = 'iVBORw0KGgo=';

function read(body: object): ReturnType<typeof readGenerateContent> {
  return readGenerateContent({ model: 'm', contents, ...body });
}

suite('the settings of generateContent', () => {
  test('become those of all APIs', () => {
    const { requests, dropped, hideThinking } = read({
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 20,
        seed: 7,
        maxOutputTokens: 50,
        stopSequences: ['END'],
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        candidateCount: 1,
        thinkingConfig: { includeThoughts: true, thinkingBudget: 0 },
      },
      options: { num_ctx: 2048 },
      keep_alive: '5m',
    });
    assert.deepEqual(requests[0].sampling, {
      temperature: 0.5,
      topP: 0.9,
      seed: 7,
      maxTokens: 50,
      stop: ['END'],
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
    });
    assert.deepEqual(requests[0].options, { top_k: 20, num_ctx: 2048 });
    assert.deepEqual([requests[0].think, requests[0].keepAlive, hideThinking, dropped], [false, '5m', false, []]);
  });

  test('are read in snake case too, which does not touch arguments, results and schemas', () => {
    const { requests, dropped } = readGenerateContent({
      model: 'm',
      system_instruction: { parts: [{ text: 'Be brief.' }] },
      contents: [
        { role: 'user', parts: [{ inline_data: { mime_type: 'image/png', data: png } }] },
        { role: 'model', parts: [{ function_call: { name: 'f', args: { some_key: 1 } }, thought_signature: 'x' }] },
        { role: 'user', parts: [{ function_response: { name: 'f', response: { a_b: 1 } } }] },
      ],
      generation_config: { max_output_tokens: 9, response_mime_type: 'application/json' },
      tools: [{ function_declarations: [{ name: 'f', parameters: { type: 'OBJECT', properties: { a_b: {} } } }] }],
      tool_config: { function_calling_config: { mode: 'any' } },
    });
    const [request] = requests;
    assert.deepEqual(dropped, []);
    assert.deepEqual(request.sampling, { maxTokens: 9 });
    assert.equal(request.format, 'json');
    assert.equal(request.toolChoice, 'required');
    assert.deepEqual(request.tools, [{ name: 'f', parameters: { type: 'object', properties: { a_b: {} } } }]);
    assert.partialDeepStrictEqual(request.messages, [
      { role: 'system', text: 'Be brief.' },
      { role: 'user', images: [{ base64: png }] },
      { role: 'assistant', toolCalls: [{ name: 'f', arguments: { some_key: 1 } }] },
      { role: 'tool', name: 'f', text: '{"a_b":1}' },
    ]);
  });

  for (const [config, think] of [
    [{ thinkingBudget: 1000 }, 'low'],
    [{ thinkingBudget: 30_000 }, 'high'],
    [{ thinkingBudget: -1 }, undefined],
    [{ thinkingLevel: 'HIGH' }, 'high'],
    [{ thinkingLevel: 'THINKING_LEVEL_UNSPECIFIED' }, undefined],
    [{}, undefined],
  ] as const) {
    test(`${JSON.stringify(config)} asks for ${think ?? 'what the model does by itself'}, and hides thoughts`, () => {
      const { requests, hideThinking } = read({ generationConfig: { thinkingConfig: config } });
      assert.deepEqual([requests[0].think, hideThinking], [think, true]);
    });
  }

  test('that have no effect are named, unknown ones too', () => {
    const { dropped } = read({
      generationConfig: { speechConfig: { a: 1 }, responseModalities: ['TEXT'], odd: 1 },
      safetySettings: [{ category: 'x' }],
      cachedContent: 'cachedContents/1',
      tools: [{ googleSearch: {} }, { codeExecution: {} }, { functionDeclarations: [{ name: 'f' }] }],
      contents: [{ role: 'user', parts: [{ text: 'hi', more: 1 }, { strange: {} }], extra: 1 }],
      unheard: false,
    });
    assert.deepEqual(dropped.toSorted(), [
      'cachedContent',
      'contents.extra',
      'contents.parts.more',
      'contents.parts.strange',
      'generationConfig.odd',
      'generationConfig.speechConfig',
      'safetySettings',
      'tools.codeExecution',
      'tools.googleSearch',
      'unheard',
    ]);
  });

  for (const [body, param] of [
    [{ contents: [] }, 'contents'],
    [{ contents: undefined }, 'contents'],
    [{ generationConfig: 7 }, 'generationConfig'],
    [{ generationConfig: { temperature: 'warm' } }, 'generationConfig.temperature'],
    [{ generationConfig: { thinkingConfig: { thinkingBudget: 'x' } } }, 'thinking_budget'],
    [{ generationConfig: { responseSchema: 7 } }, 'generationConfig.responseSchema'],
    [{ tools: [7] }, 'tools[0]'],
    [{ tools: [{ codeExecution: {} }, { googleSearch: {} }] }, 'tools[1].googleSearch'],
    [{ tools: [{ url_context: {} }] }, 'tools[0].url_context'],
    [{ generationConfig: { candidateCount: 129 } }, 'generationConfig.candidateCount'],
    [{ tools: [{ functionDeclarations: [{}] }] }, 'tools[0].functionDeclarations[0].name'],
    [{ toolConfig: { functionCallingConfig: { mode: 'SOME' } } }, 'toolConfig.functionCallingConfig.mode'],
    [{ toolConfig: { functionCallingConfig: { mode: 'ANY' } } }, 'tool_choice'],
  ] as const) {
    test(`${JSON.stringify(body)} is a 400 about ${param}`, () => {
      assert.throws(() => read(body), { status: 400, param });
    });
  }
});

suite('tools of generateContent', () => {
  test('have the types of OpenAPI as JSON Schema, in the order that is asked for', () => {
    const parameters = {
      type: 'OBJECT',
      property_ordering: ['city', 'days'],
      required: ['city'],
      properties: {
        days: { type: 'ARRAY', items: { type: 'INTEGER', nullable: true }, minItems: '1' },
        city: { type: 'STRING', format: 'enum', enum: ['Kiel', 'Ulm'] },
        type: { any_of: [{ type: 'STRING' }, { type: 'NUMBER' }] },
      },
    };
    const { requests } = read({ tools: [{ functionDeclarations: [{ name: 'f', description: 'd', parameters }] }] });
    assert.equal(
      JSON.stringify(requests[0].tools),
      JSON.stringify([
        {
          name: 'f',
          description: 'd',
          parameters: {
            type: 'object',
            required: ['city'],
            properties: {
              city: { type: 'string', enum: ['Kiel', 'Ulm'] },
              days: { type: 'array', items: { type: ['integer', 'null'] }, minItems: 1 },
              type: { anyOf: [{ type: 'string' }, { type: 'number' }] },
            },
          },
        },
      ]),
    );
  });

  const declarations = [{ name: 'f', parametersJsonSchema: { type: 'object' } }, { name: 'g' }];
  for (const [config, expected] of [
    [{ mode: 'AUTO' }, [['f', 'g'], undefined]],
    [{ mode: 'MODE_UNSPECIFIED' }, [['f', 'g'], undefined]],
    [{ mode: 'NONE' }, [undefined, undefined]],
    [{ mode: 2 }, [['f', 'g'], 'required']],
    [{ mode: 'ANY' }, [['f', 'g'], 'required']],
    [{ mode: 'ANY', allowedFunctionNames: ['g'] }, [['g'], 'required']],
    [{ mode: 'VALIDATED', allowedFunctionNames: ['f'] }, [['f'], undefined]],
  ] as const) {
    test(`are offered as ${JSON.stringify(config)} says`, () => {
      const body = { tools: [{ functionDeclarations: declarations }], toolConfig: { functionCallingConfig: config } };
      const [{ tools, toolChoice }] = read(body).requests;
      assert.deepEqual([tools?.map(({ name }) => name), toolChoice], expected);
    });
  }
});

suite('the format of generateContent', () => {
  const schema = { type: 'OBJECT', properties: { a: { type: 'STRING', nullable: true } } };
  const converted = { type: 'object', properties: { a: { type: ['string', 'null'] } } };
  for (const [config, format, named] of [
    [{ responseMimeType: 'text/plain' }, undefined, []],
    [{ responseMimeType: 'application/json' }, 'json', []],
    [{ responseMimeType: 'application/json', responseSchema: schema }, converted, []],
    [{ responseMimeType: 'application/json', responseJsonSchema: converted }, converted, []],
    [{ responseMimeType: 'application/json', _responseJsonSchema: converted }, converted, []],
    [{ responseMimeType: 'text/x.enum', responseSchema: schema }, undefined, ['generationConfig.responseMimeType']],
  ] as const) {
    test(JSON.stringify(config), () => {
      const { requests, dropped } = read({ generationConfig: config });
      assert.deepEqual([requests[0].format, dropped], [format, named]);
    });
  }
});

suite('the history of generateContent', () => {
  test('keeps thoughts, calls, results and everything else of it', () => {
    const { requests, dropped } = read({
      systemInstruction: 'Be brief.',
      contents: [
        { parts: [{ text: 'a' }, { text: 'b' }] },
        {
          role: 'model',
          parts: [
            { text: 'hm', thought: true, thoughtSignature: 'c2ln' },
            { text: 'I look.' },
            { functionCall: { id: 'c1', name: 'f', args: { n: 1 } } },
            { functionCall: { name: 'g' } },
            { executableCode: { language: 'PYTHON', code: 'print(1)' } },
            { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1' } },
          ],
        },
        {
          role: 'function',
          parts: [
            { functionResponse: { name: 'g', response: { error: 'no such city' } } },
            {
              functionResponse: {
                id: 'c1',
                response: { output: '12 C' },
                parts: [{ inlineData: { mimeType: 'image/png', data: png } }],
              },
            },
            { text: 'And?' },
          ],
        },
      ],
    });
    assert.deepEqual(requests[0].messages, [
      { role: 'system', text: 'Be brief.' },
      { role: 'user', text: 'a\nb', images: [] },
      {
        role: 'assistant',
        text: 'I look.\n```python\nprint(1)\n```\n1',
        reasoning: 'hm',
        toolCalls: [
          { id: 'c1', name: 'f', arguments: { n: 1 } },
          { id: '', name: 'g', arguments: {} },
        ],
      },
      { role: 'tool', text: 'Error: no such city', callId: '', name: 'g' },
      { role: 'tool', text: '12 C', callId: 'c1', name: 'f', images: [{ base64: png }] },
      { role: 'user', text: 'And?', images: [] },
    ]);
    assert.deepEqual(dropped, []);
  });

  test('of a stream, which the SDK keeps in pieces, becomes one message with its texts unbroken', () => {
    const piece = (part: object): object => ({ role: 'model', parts: [part] });
    const { requests } = read({
      contents: [
        ...contents,
        piece({ text: 'h', thought: true }),
        piece({ text: 'm', thought: true }),
        piece({ text: 'Hel' }),
        piece({ text: 'lo' }),
        piece({ functionCall: { name: 'f', args: {} } }),
        piece({ text: '' }),
        { role: 'user', parts: [{ functionResponse: { name: 'f', response: {} } }] },
        piece({ text: 'Do' }),
        piece({ text: 'ne' }),
      ],
    });
    assert.deepEqual(requests[0].messages.slice(1), [
      { role: 'assistant', text: 'Hello', reasoning: 'hm', toolCalls: [{ id: '', name: 'f', arguments: {} }] },
      { role: 'tool', text: '{}', callId: '', name: 'f' },
      { role: 'assistant', text: 'Done', reasoning: '', toolCalls: [] },
    ]);
  });

  test('may be a text, a part, or texts', () => {
    const texts = (given: unknown): unknown => read({ contents: given }).requests[0].messages.map(({ text }) => text);
    assert.deepEqual(texts('a'), ['a']);
    assert.deepEqual(texts({ text: 'a' }), ['a']);
    assert.deepEqual(texts({ role: 'user', parts: { text: 'a' } }), ['a']);
    assert.deepEqual(texts(['a', 'b']), ['a', 'b']);
  });

  test('has files: images with their faults, recordings and texts; others are named', () => {
    const inline = (mimeType: string, data: string): object => ({ inlineData: { mimeType, data } });
    const { requests, dropped } = read({
      contents: [
        {
          parts: [
            inline('image/png', '!'),
            inline('audio/wav', 'AAAA'),
            inline('text/plain', Buffer.from('inside').toString('base64')),
            inline('video/mp4', 'AAAA'),
            { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } },
            { fileData: { mimeType: 'application/pdf', fileUri: 'https://example.com/a.pdf' } },
          ],
        },
      ],
    });
    const [message] = requests[0].messages;
    assert.ok(message?.role === 'user');
    const [fault, image] = message.images;
    assert.ok(fault !== undefined && 'fault' in fault);
    assert.equal(fault.fault.param, 'contents[0].parts[0].inlineData.data');
    assert.partialDeepStrictEqual(image, { url: 'https://example.com/a.png' });
    assert.partialDeepStrictEqual(message.audio, [{ base64: 'AAAA', format: 'wav' }]);
    assert.match(message.text, /^inside\n\[The file is left out: it is not text\.\]\n.*a\.pdf/);
    assert.deepEqual(dropped, ['contents.parts.file']);
  });
});

test('countTokens reads a request within its request, but not its model', () => {
  const inner = { model: 'models/other', contents, systemInstruction: { parts: [{ text: 's' }] } };
  const { requests } = readTokenCount({ model: 'm', generateContentRequest: inner });
  assert.equal(requests[0].model, 'm');
  assert.deepEqual(
    requests[0].messages.map(({ text }) => text),
    ['s', 'hi'],
  );
  assert.deepEqual(requests[0].sampling, { maxTokens: 1 });
});
