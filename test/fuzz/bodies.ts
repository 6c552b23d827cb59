import fc from 'fast-check';
import { mutated, mutation, textOf } from './mutate.ts';

// Valid bodies that hold every field that a dialect reads, and arbitraries that mutate them.

const schema = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Kiel', 'Ulm'] }, days: { $ref: '#/$defs/days' } },
  required: ['city'],
  additionalProperties: false,
  $defs: { days: { type: 'array', items: { anyOf: [{ type: 'integer' }, { type: 'null' }] } } },
};
const image = 'data:image/png;base64,iVBORw0KGgo=';
const common = {
  model: 'scripted-plain',
  temperature: 0.5,
  top_p: 0.9,
  seed: 7,
  stop: ['END', '\n'],
  frequency_penalty: 0.1,
  presence_penalty: -0.1,
  max_tokens: 50,
  stream: true,
};
const ollamaFields = { options: { num_ctx: 2048, top_k: 20 }, keep_alive: '5m' };
const chatTool = {
  type: 'function',
  function: { name: 'weather', description: 'The weather.', parameters: schema, strict: true },
};
const chatCall = {
  id: 'call_1',
  type: 'function',
  function: { name: 'weather', arguments: '{"city":"Kiel","n":9007199254740993}' },
};

const chatCompletions = [
  {
    ...common,
    ...ollamaFields,
    n: 2,
    stream_options: { include_usage: true, include_obfuscation: false },
    messages: [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        name: 'me',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'image_url', image_url: { url: image, detail: 'low' } },
        ],
      },
      { role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [chatCall] },
      { role: 'tool', tool_call_id: 'call_1', content: '12 °C' },
      { role: 'developer', content: [{ type: 'text', text: 'Go on.' }] },
    ],
    tools: [chatTool, { type: 'function', function: { name: 'other' } }],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    parallel_tool_calls: false,
    reasoning_effort: 'low',
    logprobs: true,
    top_logprobs: 2,
    logit_bias: { '50256': -100 },
    metadata: { a: 'b' },
    store: false,
    user: 'me',
  },
  {
    ...common,
    stream: false,
    messages: [{ role: 'user', content: 'hi' }],
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
    hide_thinking: true,
    tools: [chatTool],
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'weather' } }] },
    },
  },
  { messages: [{ role: 'user', content: 'hi' }], model: 'scripted-plain', format: 'json', think: 'high' },
];

const completions = [
  {
    ...common,
    ...ollamaFields,
    prompt: ['one', 'two'],
    suffix: 'end',
    n: 2,
    best_of: 2,
    logprobs: 2,
    echo: false,
    user: 'me',
    raw: true,
  },
  { ...common, stream: false, prompt: 'one', stream_options: { include_usage: true }, logit_bias: {} },
];

const responses = [
  {
    ...common,
    stop: undefined,
    ...ollamaFields,
    instructions: 'Be brief.',
    input: [
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'hi' },
          { type: 'input_image', image_url: image, detail: 'auto' },
        ],
      },
      {
        role: 'assistant',
        id: 'msg_1',
        status: 'completed',
        content: [
          { type: 'output_text', text: 'yes', annotations: [] },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 'hm' }],
        content: [{ type: 'reasoning_text', text: 'hm' }],
      },
      { type: 'function_call', call_id: 'call_1', name: 'weather', arguments: '{"city":"Kiel"}' },
      { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: '12' }] },
      { type: 'web_search_call', id: 'ws_1' },
    ],
    tools: [{ type: 'function', name: 'weather', parameters: schema, strict: true }, { type: 'web_search' }],
    tool_choice: { type: 'function', name: 'weather' },
    parallel_tool_calls: true,
    max_output_tokens: 100,
    reasoning: { effort: 'low', summary: 'auto' },
    text: { format: { type: 'json_schema', name: 'x', schema, strict: true }, verbosity: 'low' },
    metadata: { a: 'b' },
    store: true,
    include: ['reasoning.encrypted_content'],
    truncation: 'auto',
    top_logprobs: 2,
  },
  { model: 'scripted-plain', input: 'hi', previous_response_id: 'resp_0123456789abcdef0123456789abcdef' },
  {
    model: 'scripted-plain',
    input: 'hi',
    tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'a' }] },
  },
];

const messages = [
  {
    ...common,
    stop: undefined,
    ...ollamaFields,
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: '' },
          { type: 'tool_use', id: 't1', name: 'weather', input: { city: 'Kiel' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't1', is_error: true, content: [{ type: 'text', text: 'no' }] },
          {
            type: 'document',
            title: 'T',
            source: { type: 'text', media_type: 'text/plain', data: 'd' },
            citations: { enabled: true },
          },
        ],
      },
      {
        role: 'user',
        content: [{ type: 'search_result', title: 'T', source: 's', content: [{ type: 'text', text: 'd' }] }],
      },
    ],
    tools: [
      { name: 'weather', description: 'd', input_schema: schema },
      { type: 'web_search_20250305', name: 'web_search' },
    ],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    thinking: { type: 'enabled', budget_tokens: 1024 },
    stop_sequences: ['END'],
    top_k: 20,
    metadata: { user_id: 'me' },
    output_format: { type: 'json_schema', schema },
  },
  {
    model: 'scripted-plain',
    max_tokens: 5,
    messages: [{ role: 'user', content: 'hi' }],
    tool_choice: { type: 'tool', name: 'weather' },
    tools: [{ name: 'weather', input_schema: {} }],
  },
];

const chat = [
  {
    model: 'scripted-plain',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi', images: ['iVBORw0KGgo='] },
      {
        role: 'assistant',
        content: '',
        thinking: 'hm',
        tool_calls: [{ function: { name: 'weather', arguments: { city: 'Kiel' } } }],
      },
      { role: 'tool', tool_name: 'weather', content: '12' },
    ],
    tools: [chatTool],
    format: schema,
    options: {
      ...ollamaFields.options,
      temperature: 0.5,
      seed: 7,
      num_predict: 20,
      stop: 'END',
      top_p: 0.9,
      repeat_penalty: 1.1,
    },
    keep_alive: '5m',
    think: 'low',
    stream: true,
    truncate: true,
    logprobs: true,
    top_logprobs: 2,
  },
  {
    model: 'scripted-plain',
    stream: false,
    messages: [{ role: 'user', content: 'hi' }],
    format: 'json',
    keep_alive: 0,
  },
];

const generate = [
  {
    model: 'scripted-plain',
    prompt: 'hi',
    system: 'Be brief.',
    images: ['iVBORw0KGgo='],
    think: true,
    format: 'json',
    ...ollamaFields,
    template: 't',
    context: [1, 2],
  },
  { model: 'scripted-plain', prompt: 'hi', suffix: 'end', raw: true, stream: false, options: ollamaFields.options },
];

const embed = [
  { model: 'scripted-plain', input: ['one', 'two'], dimensions: 8, truncate: true, ...ollamaFields },
  { model: 'scripted-plain', input: 'one' },
];

const contents = [
  {
    model: 'scripted-plain',
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [
      { role: 'user', parts: [{ text: 'hi' }, { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } }] },
      {
        role: 'model',
        parts: [
          { text: 'hm', thought: true, thoughtSignature: 'c2ln' },
          { functionCall: { id: 'call_1', name: 'weather', args: { city: 'Kiel' } } },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'call_1', name: 'weather', response: { output: '12 C' } } }] },
    ],
    tools: [{ functionDeclarations: [{ name: 'weather', description: 'The weather.', parametersJsonSchema: schema }] }],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
    generationConfig: {
      temperature: 0.5,
      topP: 0.9,
      topK: 20,
      seed: 7,
      maxOutputTokens: 50,
      stopSequences: ['END'],
      candidateCount: 1,
      thinkingConfig: { includeThoughts: true, thinkingBudget: 100 },
    },
    safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    ...ollamaFields,
  },
  {
    model: 'scripted-plain',
    contents: 'hi',
    generation_config: {
      response_mime_type: 'application/json',
      response_schema: { type: 'OBJECT', properties: { city: { type: 'STRING', nullable: true } } },
    },
    tools: [{ function_declarations: [{ name: 'f', parameters: { type: 'OBJECT', propertyOrdering: ['a'] } }] }],
  },
];

/** Valid bodies by path. */
export const bodies: Readonly<Record<string, readonly object[]>> = {
  '/v1/chat/completions': chatCompletions,
  '/v1/completions': completions,
  '/v1/responses': responses,
  '/v1/responses/compact': responses,
  '/v1/responses/input_tokens': responses,
  '/v1/messages': messages,
  '/v1/messages/count_tokens': messages,
  '/v1beta/generateContent': contents,
  '/v1beta/streamGenerateContent': contents,
  '/v1beta/streamGenerateContent/array': contents,
  '/v1beta/embedContent': [
    { model: 'scripted-plain', content: { parts: [{ text: 'hi' }] }, outputDimensionality: 2, taskType: 'CLUSTERING' },
    { model: 'scripted-plain', content: 'hi', output_dimensionality: 2, ...ollamaFields },
  ],
  '/v1beta/batchEmbedContents': [
    { model: 'scripted-plain', requests: [{ model: 'models/scripted-plain', content: { parts: [{ text: 'hi' }] } }] },
    { model: 'scripted-plain', requests: [{ content: 'a', title: 't' }, { content: ['b'] }] },
  ],
  '/v1beta/countTokens': [...contents, { model: 'scripted-plain', generateContentRequest: contents[1] }],
  '/api/chat': chat,
  '/api/generate': generate,
  '/v1/embeddings': [
    { ...embed[0], encoding_format: 'base64', user: 'me' },
    { model: 'scripted-plain', input: [1, 2, 3] },
  ],
  '/api/embed': embed,
  '/api/embeddings': [{ model: 'scripted-plain', prompt: 'one', ...ollamaFields }],
  '/api/show': [{ model: 'scripted-plain', name: 'scripted-plain', verbose: true }],
};

/** @returns texts of bodies for a path: most are JSON, some are malformed */
export function bodyFor(path: string): fc.Arbitrary<string> {
  const [first = {}, ...others] = bodies[path] ?? [];
  const tree = fc
    .tuple(fc.constantFrom(first, ...others), fc.array(mutation, { maxLength: 4 }), fc.nat(6))
    .map(([base, mutations, twice]) => textOf(mutated(JSON.parse(JSON.stringify(base)) as object, mutations), twice));
  const broken = fc
    .tuple(tree, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
    .map(
      ([text, at, inserted]) => `${text.slice(0, at % text.length)}${inserted}${text.slice(at % (text.length + 7))}`,
    );
  return fc.oneof(
    { weight: 20, arbitrary: tree },
    { weight: 1, arbitrary: broken },
    { weight: 1, arbitrary: fc.json({ maxDepth: 4 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  );
}

/** @returns one of the paths with the text of a body for it */
export function requestTo(paths: readonly [string, ...string[]]): fc.Arbitrary<readonly [path: string, body: string]> {
  return fc.constantFrom(...paths).chain((path) => bodyFor(path).map((body) => [path, body] as const));
}
