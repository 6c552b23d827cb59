import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readChatCompletion } from '../../../src/protocols/openai/chat-completions/request.ts';
import { toOllama } from '../../../src/upstreams/ollama/request.ts';

/** One thing a client may say, and what Ollama has to be told for it; `dropped` where it cannot be. */
interface Said {
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
  tell: (value: never) => Omit<Said, 'body'>,
): fc.Arbitrary<Said> => values.map((value) => ({ body: { [name]: value }, ...tell(value as never) }));
const option = (name: string, native: string, values: fc.Arbitrary<unknown>): fc.Arbitrary<Said> =>
  field(name, values, (value) => ({ options: { [native]: value } }));
const lost = (name: string, values: fc.Arbitrary<unknown>): fc.Arbitrary<Said> =>
  field(name, values, () => ({ dropped: name }));

const schema = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(word, fc.constant({ type: 'string' }), plain),
});

/** Every field there is, each there or not. */
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
    lost('user', word),
    lost('service_tier', fc.constantFrom('flex', 'priority')),
    lost('logit_bias', fc.dictionary(word, fc.integer({ min: -100, max: 100 }), { ...plain, minKeys: 1 })),
    lost('prompt_cache_key', word),
    lost('zz_unheard_of', fc.integer({ min: 1 })),
  ].map((said) => fc.option(said, { nil: undefined })),
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

/** A message as OpenAI's clients say it, and as Ollama has to hear it. */
const message = fc.oneof(
  fc.tuple(fc.constantFrom('system', 'developer'), content).map(([role, said]) => ({
    openai: { role, content: said.openai },
    native: { role: 'system', content: said.native },
  })),
  content.map((said) => ({
    openai: { role: 'user', content: said.openai },
    native: { role: 'user', content: said.native },
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
  fc.tuple(content, text, fc.array(toolCall, { maxLength: 3 })).map(([said, reasoning, calls]) => ({
    openai: {
      role: 'assistant',
      content: said.openai,
      reasoning_content: reasoning,
      tool_calls: calls.map(({ id, name, args }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(args) },
      })),
    },
    native: {
      role: 'assistant',
      content: said.native,
      ...(reasoning !== '' && { thinking: reasoning }),
      ...(calls.length > 0 && {
        tool_calls: calls.map(({ id, name, args }) => ({ id, function: { name, arguments: args } })),
      }),
    },
  })),
  fc.tuple(content, word, word).map(([said, id, name]) => ({
    openai: { role: 'tool', content: said.openai, tool_call_id: id, name },
    native: { role: 'tool', content: said.native, tool_call_id: id, tool_name: name },
  })),
);

test('any well-formed chat reaches Ollama with nothing lost but what is named', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), fields, (messages, given) => {
      const said = given.filter((one) => one !== undefined);
      const body = {
        model: 'm',
        messages: messages.map(({ openai }) => openai),
        ...Object.assign({}, ...said.map((one) => one.body)),
      };
      const { requests, dropped } = readChatCompletion(body);
      const options: object = Object.assign({}, ...said.map((one) => one.options));
      assert.deepEqual(JSON.parse(JSON.stringify(toOllama(requests[0]).body)), {
        model: 'm',
        stream: true,
        truncate: false,
        messages: messages.map(({ native }) => native),
        ...Object.assign({}, ...said.map((one) => one.native)),
        ...(Object.keys(options).length > 0 && { options: JSON.parse(JSON.stringify(options)) as object }),
      });
      assert.deepEqual(dropped.toSorted(), said.flatMap((one) => one.dropped ?? []).toSorted());
    }),
    { numRuns: 500 },
  );
});
