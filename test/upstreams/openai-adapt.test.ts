import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatRequest } from '../../src/chat/request.ts';
import { openai } from '../../src/upstreams/openai/index.ts';

const chat: ChatRequest = {
  kind: 'chat',
  model: 'm',
  sampling: { temperature: 0.2, maxTokens: 9 },
  options: { top_k: 3, repeat_penalty: 1.1 },
  messages: [{ role: 'assistant', text: 'a', reasoning: 'hm', toolCalls: [] }],
  logprobs: { top: 2 },
};

interface Adapted {
  /** Fields of the first body that the second does not have, and new fields of the second. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
  readonly dropped: readonly string[];
}

/** The changes to a request after this error; undefined when it is not sent again. */
function after(message: string, rest: object = {}, request = chat): Adapted | undefined {
  const refusal = openai.error(400, JSON.stringify({ error: { message, ...rest } }));
  const adaptation = openai.adapt(request, refusal);
  if (adaptation === undefined) return undefined;
  const before = Object.keys(openai.generation(request).body);
  const now = Object.keys(openai.generation(adaptation.request).body);
  return {
    removed: before.filter((field) => !now.includes(field)),
    added: now.filter((field) => !before.includes(field)),
    dropped: adaptation.dropped,
  };
}

suite('a field that the server does not support', () => {
  const topK = { removed: ['top_k'], added: [], dropped: ['options.top_k'] };
  const messages: [string, object?][] = [
    ['Unrecognized request argument supplied: top_k'],
    ["Unknown parameter: 'top_k'.", { param: 'top_k', code: 'unknown_parameter' }],
    ["property 'top_k' is unsupported"],
    ["[{'type': 'extra_forbidden', 'loc': ('body', 'top_k'), 'msg': 'Extra inputs are not permitted'}]"],
    ['1 validation error for ChatCompletionRequest\ntop_k\n  extra fields not permitted'],
    ['json: unknown field "top_k"'],
    ["Additional properties are not allowed ('top_k' was unexpected)"],
    ['Invalid JSON payload received. Unknown name "top_k": Cannot find field.'],
  ];
  for (const [message, rest] of messages) {
    test(`is left out and reported as dropped after: ${message.split('\n').join(' ')}`, () => {
      assert.deepEqual(after(message, rest), topK);
    });
  }

  test('several fields in one error are left out together', () => {
    assert.deepEqual(after('Unrecognized request arguments supplied: repeat_penalty, repetition_penalty'), {
      removed: ['repeat_penalty', 'repetition_penalty'],
      added: [],
      dropped: ['options.repeat_penalty'],
    });
  });

  test('max_tokens is replaced by max_completion_tokens', () => {
    const message =
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    assert.deepEqual(after(message, { param: 'max_tokens' }), {
      removed: ['max_tokens'],
      added: ['max_completion_tokens'],
      dropped: [],
    });
  });

  test('temperature, stream_options and logprobs are left out', () => {
    const temperature = "Unsupported value: 'temperature' does not support 0.2 with this model.";
    assert.deepEqual(after(temperature)?.dropped, ['temperature']);
    assert.deepEqual(after('stream_options is not supported')?.removed, ['stream_options']);
    assert.deepEqual(after('logprobs is not supported')?.removed, ['logprobs', 'top_logprobs']);
  });

  test('reasoning_content is left out of messages', () => {
    const refusal = openai.error(400, '{"error":"Unknown parameter: \'messages[0].reasoning_content\'."}');
    const adaptation = openai.adapt(chat, refusal);
    assert.deepEqual(adaptation?.dropped, ['messages.reasoning_content']);
    const { messages } = openai.generation(adaptation?.request ?? chat).body as { messages: object[] };
    assert.deepEqual(messages, [{ role: 'assistant', content: 'a' }]);
    assert.equal(openai.adapt(adaptation?.request ?? chat, refusal), undefined);
  });

  test('fields of several errors add up', () => {
    const first = openai.adapt(chat, openai.error(400, '{"error":"unknown field top_k"}'));
    const second = openai.adapt(first?.request ?? chat, openai.error(400, '{"error":"unknown field temperature"}'));
    assert.deepEqual(second?.request.without, ['top_k', 'temperature']);
  });

  test('required fields, fields that were not sent and invalid values are not adapted', () => {
    const tools: ChatRequest = { ...chat, tools: [{ name: 'f' }] };
    assert.equal(after('tools is not supported', {}, tools), undefined);
    assert.equal(after('Unknown parameter: min_p'), undefined);
    assert.equal(after('top_logprobs must be between 0 and 20'), undefined);
    assert.equal(openai.adapt(chat, openai.error(500, '{"error":"unknown field top_k"}')), undefined);
  });
});

suite('a reasoning effort that the server does not support', () => {
  const adapted = (think: NonNullable<ChatRequest['think']>, message: string): [unknown, unknown] => {
    const adaptation = openai.adapt({ ...chat, think }, openai.error(400, JSON.stringify({ error: message })));
    return [adaptation?.request.think, adaptation?.dropped];
  };

  test('the highest level becomes high, other levels are left out', () => {
    assert.deepEqual(adapted('max', "Unsupported value: 'reasoning_effort' does not support 'xhigh'"), ['high', []]);
    assert.deepEqual(adapted('max', 'invalid reasoning value: \'xhigh\' (must be "high")'), ['high', []]);
    assert.deepEqual(adapted('low', 'think value "low" is not supported for this model'), [
      undefined,
      ['reasoning_effort'],
    ]);
    assert.deepEqual(adapted(false, '`reasoning_effort` is not supported'), [undefined, ['reasoning_effort']]);
  });

  test('turning reasoning off is not reported as dropped when the model cannot reason', () => {
    assert.deepEqual(adapted(false, '"m" does not support thinking'), [undefined, []]);
    assert.deepEqual(adapted(true, '"m" does not support thinking'), [undefined, ['reasoning_effort']]);
  });
});
