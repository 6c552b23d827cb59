import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readChatCompletion } from '../../../src/protocols/openai/chat-completions/request.ts';
import { toOllama } from '../../../src/upstreams/ollama/request.ts';

/** A field of a client's body, and the fields that it becomes for Ollama; `dropped` if it becomes none. */
interface FieldCase {
  readonly body: object;
  readonly native?: object;
  readonly options?: object;
  readonly dropped?: string;
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e'), minLength: 1, maxLength: 8 });
const plain = { noNullPrototype: true };
const png = 'iVBORw0KGgoAAAANSUhEUgAA';

const field = (
  name: string,
  values: fc.Arbitrary<unknown>,
  expect: (value: never) => Omit<FieldCase, 'body'>,
): fc.Arbitrary<FieldCase> => values.map((value) => ({ body: { [name]: value }, ...expect(value as never) }));
const option = (name: string, native: string, values: fc.Arbitrary<unknown>): fc.Arbitrary<FieldCase> =>
  field(name, values, (value) => ({ options: { [native]: value } }));
const dropped = (name: string, values: fc.Arbitrary<unknown>): fc.Arbitrary<FieldCase> =>
  field(name, values, () => ({ dropped: name }));

const schema = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(word, fc.constant({ type: 'string' }), plain),
});

/** Every field, each present or absent. */
const fields = fc.tuple(
  ...[
    option('temperature', 'temperature', fc.double({ min: 0, max: 2, noNaN: true })),
    option('top_p', 'top_p', fc.double({ min: 0, max: 1, noNaN: true })),
    option('seed', 'seed', fc.maxSafeInteger()),
    option('frequency_penalty', 'frequency_penalty', fc.double({ min: -2, max: 2, noNaN: true })),
    option('presence_penalty', 'presence_penalty', fc.double({ min: -2, max: 2, noNaN: true })),
    option('max_completion_tokens', 'num_predict', fc.integer({ min: 1 })),
    option('stop', 'stop', fc.array(word, { minLength: 1, maxLength: 4 })),
    field('keep_alive', fc.oneof(fc.integer(), fc.constant('10m')), (value) => ({ native: { keep_alive: value } })),
    field('reasoning_effort', fc.constantFrom('low', 'medium', 'high'), (value) => ({ native: { think: value } })),
    field('logprobs', fc.constant(true), () => ({ native: { logprobs: true } })),
    field('response_format', schema, (value) => ({ native: { format: { ...(value as object) } } })).map(
      ({ body, ...rest }) => ({
        ...rest,
        body: {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'x', schema: Object.values(body)[0] as unknown },
          },
        },
      }),
    ),
    dropped('user', word),
    dropped('service_tier', fc.constantFrom('flex', 'priority')),
    dropped('logit_bias', fc.dictionary(word, fc.integer({ min: -100, max: 100 }), { ...plain, minKeys: 1 })),
    dropped('prompt_cache_key', word),
    dropped('zz_unheard_of', fc.integer({ min: 1 })),
  ].map((fieldCase) => fc.option(fieldCase, { nil: undefined })),
);

const parts = fc.array(text, { minLength: 1, maxLength: 3 });
const content = fc.oneof(
  text.map((value) => ({ openai: value as unknown, native: value })),
  parts.map((texts) => ({ openai: texts.map((value) => ({ type: 'text', text: value })), native: texts.join('\n') })),
);
const toolCall = fc.record({
  id: word,
  name: word,
  args: fc.dictionary(word, fc.oneof(text, fc.integer(), fc.boolean()), plain),
});

/** A message as OpenAI's clients send it, and as Ollama has to get it. */
const message = fc.oneof(
  fc.tuple(fc.constantFrom('system', 'developer'), content).map(([role, value]) => ({
    openai: { role, content: value.openai },
    native: { role: 'system', content: value.native },
  })),
  content.map((value) => ({
    openai: { role: 'user', content: value.openai },
    native: { role: 'user', content: value.native },
  })),
  parts.map((texts) => ({
    openai: {
      role: 'user',
      content: [
        ...texts.map((value) => ({ type: 'text', text: value })),
        { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
      ],
    },
    native: { role: 'user', content: texts.join('\n'), images: [png] },
  })),
  fc.tuple(content, text, fc.array(toolCall, { maxLength: 3 })).map(([value, reasoning, calls]) => ({
    openai: {
      role: 'assistant',
      content: value.openai,
      reasoning_content: reasoning,
      tool_calls: calls.map(({ id, name, args }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(args) },
      })),
    },
    native: {
      role: 'assistant',
      content: value.native,
      ...(reasoning !== '' && { thinking: reasoning }),
      ...(calls.length > 0 && {
        tool_calls: calls.map(({ id, name, args }) => ({ id, function: { name, arguments: args } })),
      }),
    },
  })),
  fc.tuple(content, word, word).map(([value, id, name]) => ({
    openai: { role: 'tool', content: value.openai, tool_call_id: id, name },
    native: { role: 'tool', content: value.native, tool_call_id: id, tool_name: name },
  })),
);

test('a well-formed chat completion reaches Ollama without loss, except for the fields reported as dropped (property)', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), fields, (messages, optionalFields) => {
      const fieldCases = optionalFields.filter((fieldCase) => fieldCase !== undefined);
      const body = {
        model: 'm',
        messages: messages.map(({ openai }) => openai),
        ...Object.assign({}, ...fieldCases.map((fieldCase) => fieldCase.body)),
      };
      const { requests, dropped: droppedFields } = readChatCompletion(body);
      const options: object = Object.assign({}, ...fieldCases.map((fieldCase) => fieldCase.options));
      const { body: sent, dropped: unsupported } = toOllama(requests[0]);
      assert.deepEqual(JSON.parse(JSON.stringify(sent)), {
        model: 'm',
        stream: true,
        truncate: false,
        messages: messages.map(({ native }) => native),
        ...Object.assign({}, ...fieldCases.map((fieldCase) => fieldCase.native)),
        ...(Object.keys(options).length > 0 && { options: JSON.parse(JSON.stringify(options)) as object }),
      });
      assert.deepEqual(
        [...droppedFields, ...unsupported].toSorted(),
        fieldCases.flatMap((fieldCase) => fieldCase.dropped ?? []).toSorted(),
      );
    }),
    { numRuns: 500 },
  );
});
