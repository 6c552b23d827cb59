import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Backend } from '../../src/chat/backend.ts';
import type { EmbeddingsCall, GenerationCall, TextStore } from '../../src/chat/protocol.ts';
import { type Field, type FieldTable, droppableNames } from '../../src/protocols/field-table.ts';
import { clientProtocols } from '../../src/protocols/index.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';
import { openai } from '../../src/upstreams/openai/index.ts';
import { tables } from './tables.ts';

const store: TextStore = {
  get: async (_owner, id) => await Promise.resolve(id === 'conv_1' ? '{"created":1}\n' : undefined),
  put: async () => await Promise.resolve(),
  delete: async () => await Promise.resolve(false),
  append: async () => await Promise.resolve('absent'),
};
const { generation, embeddings } = clientProtocols({ reasoning_field: 'both' }, store);

/** What one request becomes: the call and the body for a server, as text, and the fields that are named. */
interface Outcome {
  readonly sent: string;
  readonly answer: string;
  readonly named: readonly string[];
}

async function outcomeOf(path: string, body: object, backend: Backend): Promise<Outcome> {
  const protocol = generation.find((one) => one.path === path);
  if (protocol !== undefined) {
    const call = await protocol.read(structuredClone(body), '');
    const { body: sent, dropped } = backend.generation(call.requests[0]);
    const names = protocol.fieldNames ?? {};
    const named = [...call.dropped, ...dropped].map((field) => call.spellings?.get(field) ?? names[field] ?? field);
    return { sent: JSON.stringify(sent), answer: textOf(call), named };
  }
  const call = embeddings.find((one) => one.path === path)?.read(structuredClone(body)) ?? assert.fail();
  const { body: sent, dropped } = backend.embeddings({ ...call.request, input: call.request.input.map(String) });
  const named = [...call.dropped, ...dropped].map((field) => call.spellings?.get(field) ?? field);
  return { sent: JSON.stringify(sent), answer: textOf(call), named };
}

/** What the client gets besides the model's words is different for stream, echo and the like. */
function textOf(call: GenerationCall | EmbeddingsCall): string {
  const head = { id: 'resp_1', created: 0, model: 'm', arrivedAt: 0, now: () => 0 };
  const usage = { usage: { inputTokens: 1, outputTokens: 1 }, timings: {} };
  if (!('requests' in call)) {
    return JSON.stringify(call.respond({ vectors: [[0.5]], ...usage }, head));
  }
  const result = { text: 'a', reasoning: '', toolCalls: [], logprobs: [], finishReason: 'stop' as const, ...usage };
  const { requests, stream, hideThinking, reportsStop } = call;
  const text = call.encoder(head).write({ type: 'text', text: 'a' }, 0) + call.encoder(head).end(usage);
  return JSON.stringify([
    requests.length,
    stream,
    hideThinking,
    reportsStop,
    text,
    call.respond([result], usage, head),
  ]);
}

const hi = [{ role: 'user', content: 'hi' }];
const tool = { type: 'function', function: { name: 'f' } };

/** A request that can be read, for each endpoint. */
const bases: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: hi },
  '/v1/completions': { prompt: 'a' },
  '/v1/responses': { input: 'hi' },
  '/v1/embeddings': { input: 'hi' },
  '/v1/messages': { messages: hi, max_tokens: 9 },
  '/v1beta/generateContent': { contents: 'hi' },
  '/v1beta/embedContent': { content: 'hi' },
  '/v1beta/batchEmbedContents': { requests: [{ content: 'hi' }] },
  '/api/chat': { messages: hi },
  '/api/generate': { prompt: 'a' },
  '/api/embed': { input: 'hi' },
  '/api/embeddings': { prompt: 'hi' },
};

/** A value of each field that asks for something. Absent: 7, or one of the field's type. */
const samples: Readonly<Record<string, unknown>> = {
  model: 'other',
  options: { top_k: 4 },
  keep_alive: '5m',
  temperature: 0.3,
  top_p: 0.4,
  stop: ['x'],
  think: 'low',
  reasoning_effort: 'low',
  reasoning: { effort: 'low' },
  thinking: { type: 'disabled' },
  enable_thinking: false,
  thinking_budget: 99,
  chat_template_kwargs: { enable_thinking: false },
  hide_thinking: true,
  hidethinking: true,
  include_reasoning: false,
  format: 'json',
  stream: true,
  use_mmap: true,
  use_mlock: true,
  low_vram: true,
  penalize_newline: true,
  stream_options: { include_usage: true },
  messages: [...hi, ...hi],
  prompt: 'b',
  input: 'b',
  suffix: 's',
  raw: true,
  echo: true,
  truncate: true,
  logprobs: true,
  tools: [tool],
  tool_choice: 'none',
  parallel_tool_calls: false,
  functions: [{ name: 'f' }],
  function_call: 'none',
  response_format: { type: 'json_object' },
  instructions: 'i',
  system: 's',
  images: ['iVBORw0KGgo='],
  previous_response_id: 'resp_1',
  conversation: 'conv_1',
  store: true,
  metadata: { a: 'b' },
  truncation: 'auto',
  stop_sequences: ['x'],
  include: ['message.output_text.logprobs'],
  text: { format: { type: 'json_object' } },
  encoding_format: 'base64',
  output_config: { effort: 'low' },
  output_format: {
    type: 'json_schema',
    schema: { type: 'array' },
  },
};

/** Samples of fields that are sent on unchanged if their type is right. */
const typed = { string: 'x', boolean: true, object: { a: 1 } };

/** Samples of single endpoints. */
const ownSamples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  '/v1/completions': {
    logprobs: 3,
    thinking: true,
    enable_thinking: true,
    chat_template_kwargs: { enable_thinking: true },
  },
  '/api/chat': { stream: false },
  '/api/generate': { stream: false },
  '/v1/responses': {
    store: false,
    stream_options: {},
    tools: [{ type: 'function', name: 'f' }],
  },
  '/v1/messages': { tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'none' } },
  '/v1beta/embedContent': { content: 'b' },
  '/v1beta/batchEmbedContents': { requests: [{ content: 'b' }] },
  '/v1beta/generateContent': {
    contents: 'b',
    systemInstruction: 's',
    tools: [{ functionDeclarations: [{ name: 'f' }] }],
    toolConfig: { functionCallingConfig: { mode: 'NONE' } },
    generationConfig: { temperature: 0.3 },
  },
};

/** What a field needs beside it to have an effect. */
function neededFor(path: string, name: string): object {
  if (name === 'toolConfig') return { tools: [{ functionDeclarations: [{ name: 'f' }] }] };
  const tools =
    path === '/v1/messages'
      ? [{ name: 'f', input_schema: {} }]
      : [path === '/v1/responses' ? { type: 'function', name: 'f' } : tool];
  if (['tool_choice', 'function_call', 'parallel_tool_calls'].includes(name)) return { tools };
  if (name === 'top_logprobs') return { logprobs: true, include: ['message.output_text.logprobs'] };
  return {};
}

/** True for fields whose effect is neither in the request for a server nor in a plain answer. */
function isUnseen(path: string, name: string): boolean {
  if (path === '/v1/completions') return ['raw', 'hide_thinking', 'hidethinking', 'include_reasoning'].includes(name);
  return ['store', 'stream_options', 'parallel_tool_calls'].includes(name);
}

function checkField(path: string, name: string, field: Field, [kind, backend]: readonly [string, Backend]): void {
  test(`${name} on ${kind}`, async () => {
    const base = { model: 'm', ...bases[path], ...neededFor(path, name) };
    const sample = ownSamples[path]?.[name] ?? samples[name] ?? (field.type === undefined ? 7 : typed[field.type]);
    const reading = outcomeOf(path, { ...base, [name]: sample }, backend);
    if (field.effect === 'refused') return await assert.rejects(reading, { status: 400, param: name });
    if (name === 'previous_response_id') return await assert.rejects(reading, { param: name });
    const without = await outcomeOf(path, base, backend);
    const { sent, answer, named } = await reading;
    const isNamed = named.some((one) => one === (field.reportedAs ?? name) || one.startsWith(`${name}.`));
    const hasEffect = field.effect === 'any' || field.effect === kind;
    assert.equal(isNamed, !hasEffect, `named: ${named.join(', ')}`);
    if (!hasEffect) assert.equal(sent, without.sent);
    else if (!isUnseen(path, name)) assert.notEqual(sent + answer, without.sent + without.answer);
    return undefined;
  });
}

for (const [path, table] of Object.entries(tables)) {
  // Ollama gets requests of its own API unchanged.
  const backends = path.startsWith('/api')
    ? ([['openai', openai]] as const)
    : ([
        ['ollama', ollama],
        ['openai', openai],
      ] as const);
  suite(`a field of ${path} is sent or named, as its table says:`, () => {
    for (const [name, field] of Object.entries(table)) {
      for (const backend of backends) checkField(path, name, field, backend);
    }
  });
}

const published = JSON.parse(readFileSync(join(import.meta.dirname, 'published-fields.json'), 'utf8')) as Record<
  string,
  readonly string[]
>;

/** True if a table contains a path, or says of an object above it what happens to all of it. */
function contains(table: FieldTable, [name = '', ...rest]: readonly string[]): boolean {
  const field = Object.hasOwn(table, name) ? table[name] : undefined;
  if (field === undefined) return false;
  const nested = [...(field.fields ? [field.fields] : []), ...Object.values(field.variants ?? {})];
  return rest.length === 0 || nested.length === 0 || nested.some((fields) => contains(fields, rest));
}

suite('every published field is in the table of', () => {
  for (const [path, names] of Object.entries(published)) {
    test(path, () => {
      const table = tables[path] ?? assert.fail();
      assert.deepEqual(
        names.filter((name) => !contains(table, name.split('.'))),
        [],
      );
    });
  }
});

test('a field in a table can be reported under a name that fits into a header', () => {
  for (const table of Object.values(tables)) {
    for (const name of droppableNames(table)) assert.match(name, /^[\w.]{1,64}$/);
  }
});
