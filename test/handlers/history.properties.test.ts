import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { GenerationProtocol } from '../../src/chat/protocol.ts';
import type { GenerationRequest } from '../../src/chat/request.ts';
import { prepareMessages } from '../../src/handlers/steps/attachments.ts';
import { messages } from '../../src/protocols/anthropic/messages/index.ts';
import { chat } from '../../src/protocols/ollama/chat/index.ts';
import { chatCompletions } from '../../src/protocols/openai/chat-completions/index.ts';
import { responses } from '../../src/protocols/openai/responses/index.ts';
import type { Services } from '../../src/services.ts';
import { MemoryTextStore } from '../../src/store/memory.ts';
import { backends } from '../../src/upstreams/index.ts';

// Whatever a history contains: it is no error, both kinds of servers get it in a form that they take, and no text is lost.

const services = {
  config: { images: { count: 2 }, documents: { count: 2 } },
  pool: { models: { details: () => Promise.resolve({}) } },
} as unknown as Services;
const exchange = { abortSignal: new AbortController().signal, key: undefined, admitted: undefined };

/** A text that can be found again in what is sent. */
const marker = fc.integer({ min: 100_000, max: 999_999 }).map((number) => `text-${number}`);
const id = fc.constantFrom('', 'a', 'b', 'c', '__proto__', null, 7);
const anything = fc.oneof(fc.constant(null), fc.constant(undefined), fc.jsonValue({ maxDepth: 2 }));
const png = 'iVBORw0KGgoAAAANSUhEUgAA';

const partTypes = (
  'text image_url image input_image input_audio file input_file document search_result thinking redacted_thinking tool_use ' +
  'tool_result server_tool_use hologram refusal'
).split(' ');
const textPart = fc.record({ type: fc.constantFrom('text', 'input_text', 'output_text'), text: marker });
const oddPart = fc.oneof(
  fc.constant({ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }),
  fc.constant({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } }),
  fc.constant({ type: 'input_image', image_url: 'https://images.example/a.png' }),
  // A summary would stand for all that comes before it.
  fc.record({ type: fc.constant('compaction'), content: anything.filter((value) => typeof value !== 'string') }),
  fc.record({
    type: fc.constantFrom(...partTypes),
    text: anything,
    image_url: anything,
    source: anything,
    input_audio: anything,
    file: anything,
    file_data: anything,
    content: anything,
    id: anything,
    name: anything,
    input: anything,
    tool_use_id: anything,
  }),
  anything,
);
const content = fc.oneof(
  marker,
  fc.array(fc.oneof(textPart, oddPart), { maxLength: 4 }),
  textPart,
  anything.filter((value) => typeof value !== 'string'),
);
const args = fc.oneof(
  fc.constantFrom('', '{}', 'null', '[]', '{"a":', '{"a":1', 'prose', '"{\\"a\\":1}"', '{"a":9007199254740993}'),
  anything,
);
const call = fc.record({
  id,
  type: fc.constant('function'),
  function: fc.record({ name: fc.string(), arguments: args }),
});
const role = fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function', 'control', 'User');

const chatMessage = fc.record(
  {
    role,
    content,
    name: anything,
    images: anything,
    thinking: anything,
    reasoning_content: anything,
    tool_call_id: id,
    tool_name: anything,
    tool_calls: fc.oneof(fc.array(call, { maxLength: 3 }), anything),
    function_call: fc.oneof(fc.record({ name: fc.string(), arguments: args }), anything),
    refusal: anything,
    audio: anything,
  },
  { requiredKeys: ['role'] },
);
const toolBlock = fc.oneof(
  fc.record({ type: fc.constant('tool_use'), id, name: fc.string(), input: args }),
  fc.record({ type: fc.constant('tool_result'), tool_use_id: id, content, is_error: fc.boolean() }),
);
const anthropicMessage = fc.record(
  {
    role: fc.constantFrom('user', 'assistant', 'system', 'control'),
    content: fc.oneof(content, fc.array(fc.oneof(textPart, oddPart, toolBlock), { maxLength: 4 })),
  },
  { requiredKeys: ['role'] },
);
const item = fc.oneof(
  fc.record({ role, content }),
  fc.record({ type: fc.constant('function_call'), call_id: id, name: fc.string(), arguments: args }),
  fc.record({ type: fc.constant('function_call_output'), call_id: id, output: content }),
  fc.record({ type: fc.constant('reasoning'), summary: anything, content: anything, encrypted_content: anything }),
  fc.record({
    type: fc.constantFrom(
      'web_search_call',
      'computer_call',
      'mcp_call',
      'compaction',
      'image_generation_call',
      'new_item',
    ),
    id: anything,
  }),
);

interface Dialect {
  readonly name: string;
  readonly protocol: GenerationProtocol;
  readonly message: fc.Arbitrary<unknown>;
  readonly body: (history: readonly unknown[]) => object;
}

const end = [
  { role: 'assistant', content: 'So it is.' },
  { role: 'user', content: 'Go on.' },
];
const dialects: readonly Dialect[] = [
  {
    name: 'chat completions',
    protocol: chatCompletions('both'),
    message: chatMessage,
    body: (history) => ({ messages: [...history, ...end] }),
  },
  { name: '/api/chat', protocol: chat, message: chatMessage, body: (history) => ({ messages: [...history, ...end] }) },
  {
    name: 'messages',
    protocol: messages,
    message: anthropicMessage,
    body: (history) => ({ max_tokens: 9, messages: [...history, ...end] }),
  },
  {
    name: 'responses',
    protocol: responses(new MemoryTextStore({ entries: 1, bytes: 1e6, ttl: 1e3 })),
    message: item,
    body: (history) => ({ input: [...history, ...end] }),
  },
];

interface Sent {
  readonly role: string;
  readonly content: unknown;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly arguments: unknown } }[];
  readonly tool_call_id?: string;
}

async function sent(protocol: GenerationProtocol, body: object): Promise<readonly [GenerationRequest, Sent[], Sent[]]> {
  const json: unknown = JSON.parse(JSON.stringify({ model: 'm', ...body }));
  const { requests } = await protocol.read(json, 'tester');
  const {
    requests: [request],
  } = await prepareMessages(requests, services, exchange);
  const [ollama, openai] = [backends.ollama.generation(request).body, backends.openai.generation(request).body].map(
    (each) => (JSON.parse(JSON.stringify(each)) as { messages: Sent[] }).messages,
  );
  assert.ok(ollama !== undefined && openai !== undefined);
  return [request, ollama, openai];
}

/** The markers in texts, as far as a part of unknown type does not hide them. */
function markersIn(value: unknown): string[] {
  return JSON.stringify(value).match(/text-\d{6}/g) ?? [];
}

suite('any history survives', () => {
  for (const { name, protocol, message, body } of dialects) {
    test(`in ${name}`, async () => {
      const histories = fc.array(message, { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(histories, async (history) => {
          const [, ollama, openai] = await sent(protocol, body(history));
          for (const prompt of [ollama, openai]) {
            const firstOther = prompt.findIndex((each) => !['system', 'control'].includes(each.role));
            assert.ok(prompt.slice(firstOther).every((each) => each.role !== 'system'));
            assert.ok(prompt.filter((each) => each.role === 'system').length <= 1);
            const found = new Set(markersIn(prompt));
            for (const text of markersIn(history)) assert.ok(found.has(text), `${text} is lost`);
          }
          checkArguments(ollama, openai);
          checkPairs(openai);
        }),
        { numRuns: 300 },
      );
    });
  }
});

function checkArguments(ollama: readonly Sent[], openai: readonly Sent[]): void {
  for (const { function: called } of ollama.flatMap((message) => message.tool_calls ?? [])) {
    assert.equal(Object.prototype.toString.call(called.arguments), '[object Object]');
  }
  for (const { function: called } of openai.flatMap((message) => message.tool_calls ?? [])) {
    assert.equal(Object.prototype.toString.call(JSON.parse(String(called.arguments))), '[object Object]');
  }
}

/** OpenAI's rule: directly after a message with calls, there is one result for each of them. */
function checkPairs(prompt: readonly Sent[]): void {
  let open: string[] = [];
  for (const message of prompt) {
    if (message.role === 'tool') {
      assert.ok(open.includes(message.tool_call_id ?? ''), 'a result without a call');
      open = open.filter((callId) => callId !== message.tool_call_id);
    } else {
      assert.deepEqual(open, [], 'a call without a result');
      open = (message.tool_calls ?? []).map((called) => called.id);
      assert.equal(new Set(open).size, open.length);
    }
  }
  assert.deepEqual(open, []);
}
