import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Message } from '@anthropic-ai/sdk/resources/messages';
import type { ChatEvent, FinishEvent } from '../../../src/chat/event.ts';
import { Accumulator } from '../../../src/chat/accumulator.ts';
import type { AnswerHead } from '../../../src/chat/protocol.ts';
import { GatewayError } from '../../../src/errors.ts';
import { anthropicErrors } from '../../../src/protocols/anthropic/error.ts';
import { countTokens, messages } from '../../../src/protocols/anthropic/messages/index.ts';

const head: AnswerHead = { id: 'msg_1', created: 1, model: 'm', arrivedAt: 1000, now: () => 1000 };
const body = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x'.repeat(40) }] };
const signature = 'bGxhbWFkdWN0';

const thinkingEvent = (text: string): ChatEvent => ({ type: 'reasoning', text });
const textEvent = (text: string): ChatEvent => ({ type: 'text', text });
const callEvent = (id: string, args = '{}'): ChatEvent => ({ type: 'tool-call', id, name: 'f', arguments: args });
const finish = (rest: Partial<FinishEvent> = {}): FinishEvent => ({
  type: 'finish',
  reason: 'stop',
  usage: { inputTokens: 12, outputTokens: 5 },
  timings: {},
  ...rest,
});

interface SentEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Parses the events of a stream, and checks that the data of each repeats its name. */
function parse(text: string): SentEvent[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith(':'))
    .map((frame) => {
      const [, name, data] = /^event: (\w+)\ndata: ([^\n]*)$/.exec(frame) ?? [];
      assert.ok(name !== undefined && data !== undefined, frame);
      const sent = JSON.parse(data) as SentEvent;
      assert.equal(sent.type, name);
      return sent;
    });
}

async function stream(...events: readonly ChatEvent[]): Promise<string> {
  const encoder = (await messages.read(body, '')).encoder(head);
  let text = '';
  for (const event of events) {
    text += encoder.write(event, 0);
    if (event.type === 'finish') text += encoder.end(event);
  }
  return text;
}

async function notStreamed(...events: readonly ChatEvent[]): Promise<Record<string, unknown>> {
  const accumulator = new Accumulator();
  for (const event of events) accumulator.add(event);
  assert.ok(accumulator.result);
  const answer = (await messages.read(body, '')).respond([accumulator.result], accumulator.result, head);
  return JSON.parse(JSON.stringify(answer)) as Record<string, unknown>;
}

const usage = {
  input_tokens: 12,
  output_tokens: 5,
  cache_creation_input_tokens: 0,
  output_tokens_details: null,
  server_tool_use: null,
};
const envelope = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  stop_sequence: null,
  stop_details: null,
  container: null,
  diagnostics: null,
};
const messageUsage = { ...usage, cache_creation: null, inference_geo: null, service_tier: null, speed: null };

const opening = [
  {
    type: 'message_start',
    message: {
      ...envelope,
      content: [],
      stop_reason: null,
      usage: { ...messageUsage, input_tokens: 10, output_tokens: 0 },
    },
  },
  { type: 'ping' },
];
const start = (index: number, content_block: object): object => ({ type: 'content_block_start', index, content_block });
const delta = (index: number, rest: object): object => ({ type: 'content_block_delta', index, delta: rest });
const stop = (index: number): object => ({ type: 'content_block_stop', index });
const ending = (stop_reason: string, rest: object = {}): object[] => [
  {
    type: 'message_delta',
    delta: { stop_reason, stop_sequence: null, stop_details: null, container: null, ...rest },
    usage,
  },
  { type: 'message_stop' },
];
const text = { type: 'text', text: '' };
const tool = (id: string): object => ({ type: 'tool_use', id, name: 'f', input: {}, caller: { type: 'direct' } });

suite('a streamed message', () => {
  test('has one open block at a time for thinking, text, calls and text', async () => {
    const sent = parse(
      await stream(
        thinkingEvent('Hm'),
        thinkingEvent('.\n'),
        textEvent('He'),
        textEvent('llo "\\\u2028'),
        callEvent('a', '{"n":9007199254740993}'),
        callEvent('b'),
        textEvent(''),
        textEvent('Done'),
        finish({ reason: 'tool_calls' }),
      ),
    );
    assert.deepEqual(sent, [
      ...opening,
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      delta(0, { type: 'thinking_delta', thinking: '.\n' }),
      delta(0, { type: 'signature_delta', signature }),
      stop(0),
      start(1, text),
      delta(1, { type: 'text_delta', text: 'He' }),
      delta(1, { type: 'text_delta', text: 'llo "\\\u2028' }),
      stop(1),
      start(2, tool('a')),
      delta(2, { type: 'input_json_delta', partial_json: '{"n":9007199254740993}' }),
      stop(2),
      start(3, tool('b')),
      delta(3, { type: 'input_json_delta', partial_json: '{}' }),
      stop(3),
      start(4, text),
      delta(4, { type: 'text_delta', text: 'Done' }),
      stop(4),
      ...ending('tool_use'),
    ]);
  });

  test('has no block when the answer is empty', async () => {
    assert.deepEqual(parse(await stream(textEvent(''), finish())), [...opening, ...ending('end_turn')]);
  });

  test('has no event before the first text or thinking', async () => {
    assert.equal(await stream(textEvent(''), thinkingEvent('')), '');
  });

  test('has the server timing in a comment before message_stop', async () => {
    const sent = await stream(finish({ timings: { load: 0.012 } }));
    assert.match(sent, /\n\n: server-timing: load;dur=12\n\nevent: message_stop\n/);
  });

  test('ends in an error event and not in message_stop when the answer breaks', async () => {
    const encoder = (await messages.read(body, '')).encoder(head);
    const sent = encoder.write(textEvent('Hel'), 0) + encoder.fail(new GatewayError('upstream_incomplete', 'Broken.'));
    assert.deepEqual(parse(sent), [
      ...opening,
      start(0, text),
      delta(0, { type: 'text_delta', text: 'Hel' }),
      { type: 'error', error: { type: 'api_error', message: 'Broken.' } },
    ]);
  });
});

suite('a message that is not streamed', () => {
  test('has its thinking, text and calls in this order', async () => {
    const events = [
      callEvent('a', '{"n":1.50}'),
      textEvent('Hello'),
      thinkingEvent('Hm.'),
      finish({ reason: 'tool_calls' }),
    ];
    assert.deepEqual(await notStreamed(...events), {
      ...envelope,
      content: [
        { type: 'thinking', thinking: 'Hm.', signature },
        { type: 'text', text: 'Hello' },
        { ...tool('a'), input: { n: 1.5 } },
      ],
      stop_reason: 'tool_use',
      usage: messageUsage,
    });
  });

  test('has no block when the answer is empty', async () => {
    assert.deepEqual((await notStreamed(finish()))['content'], []);
  });

  test("keeps every digit of a call's arguments", async () => {
    const accumulator = new Accumulator();
    accumulator.add(callEvent('a', '{"n":9007199254740993,"x":1.50}'));
    accumulator.add(finish());
    assert.ok(accumulator.result);
    const answer = JSON.stringify(
      (await messages.read(body, '')).respond([accumulator.result], accumulator.result, head),
    );
    assert.ok(answer.includes('"input":{"n":9007199254740993,"x":1.50}'), answer);
  });

  for (const args of ['{"city": "Par', '[1]', 'null']) {
    test(`has the arguments ${args} of a call as the text that they are, and so does a stream`, async () => {
      const { content } = await notStreamed(callEvent('a', args), finish());
      assert.partialDeepStrictEqual(content, [{ type: 'tool_use', input: args }]);
      assert.ok((await stream(callEvent('a', args))).includes(`"partial_json":${JSON.stringify(args)}`));
    });
  }

  const reasons: [
    finish: Partial<FinishEvent>,
    expected: Pick<Message, 'stop_reason' | 'stop_sequence' | 'stop_details'>,
  ][] = [
    [{ reason: 'stop' }, { stop_reason: 'end_turn', stop_sequence: null, stop_details: null }],
    [
      { reason: 'stop', stopSequence: 'END' },
      { stop_reason: 'stop_sequence', stop_sequence: 'END', stop_details: null },
    ],
    [{ reason: 'length' }, { stop_reason: 'max_tokens', stop_sequence: null, stop_details: null }],
    [{ reason: 'tool_calls' }, { stop_reason: 'tool_use', stop_sequence: null, stop_details: null }],
    [
      { reason: 'content_filter' },
      {
        stop_reason: 'refusal',
        stop_sequence: null,
        stop_details: { type: 'refusal', category: null, explanation: null },
      },
    ],
  ];
  for (const [reason, expected] of reasons) {
    test(`has the stop_reason ${expected.stop_reason} for ${JSON.stringify(reason)}, and so does a stream`, async () => {
      assert.partialDeepStrictEqual(await notStreamed(textEvent('x'), finish(reason)), expected);
      const sent = parse(await stream(textEvent('x'), finish(reason)));
      assert.deepEqual(sent.at(-2)?.['delta'], { ...expected, container: null });
    });
  }

  test('counts cached tokens apart from the input, and thinking as output', async () => {
    const counted = { inputTokens: 12, outputTokens: 5, cachedTokens: 10, reasoningTokens: 3 };
    const expected = {
      ...usage,
      input_tokens: 2,
      cache_read_input_tokens: 10,
      output_tokens_details: { thinking_tokens: 3 },
    };
    const { usage: counts } = await notStreamed(textEvent('x'), finish({ usage: counted }));
    assert.deepEqual(counts, { ...messageUsage, ...expected });
    assert.deepEqual(parse(await stream(finish({ usage: counted }))).at(-2)?.['usage'], expected);
  });
});

test('a token count includes the cached tokens of the prompt', async () => {
  const call = await countTokens.read(body, '');
  const total = { usage: { inputTokens: 12, outputTokens: 1, cachedTokens: 10 }, timings: {} };
  assert.deepEqual(call.respond([], total, head), { input_tokens: 12 });
});

suite('an error in the format of Anthropic', () => {
  const shapes: [error: GatewayError, status: number, type: string, message: string][] = [
    [new GatewayError('invalid_json', 'No JSON.'), 400, 'invalid_request_error', 'No JSON.'],
    [
      new GatewayError('invalid_value', 'Must be x.', { param: 'a.b' }),
      400,
      'invalid_request_error',
      'a.b: Must be x.',
    ],
    [new GatewayError('invalid_value', 'a.b is bad.', { param: 'a.b' }), 400, 'invalid_request_error', 'a.b is bad.'],
    [
      new GatewayError('context_length_exceeded', 'It has 9 tokens.', { param: 'messages' }),
      400,
      'invalid_request_error',
      'prompt is too long: It has 9 tokens.',
    ],
    [new GatewayError('invalid_api_key', 'Who?'), 401, 'authentication_error', 'Who?'],
    [new GatewayError('insufficient_scope', 'No.'), 403, 'permission_error', 'No.'],
    [new GatewayError('model_not_found', 'None.', { param: 'model' }), 404, 'not_found_error', 'model: None.'],
    [new GatewayError('method_not_allowed', 'No.'), 405, 'invalid_request_error', 'No.'],
    [new GatewayError('request_timeout', 'Slow.'), 408, 'timeout_error', 'Slow.'],
    [new GatewayError('request_too_large', 'Big.'), 413, 'request_too_large', 'Big.'],
    [new GatewayError('upstream_busy', 'Often.', { status: 429 }), 429, 'rate_limit_error', 'Often.'],
    [new GatewayError('internal_error', 'Oops.'), 500, 'api_error', 'Oops.'],
    [new GatewayError('upstream_error', 'Oops.'), 502, 'api_error', 'Oops.'],
    [new GatewayError('upstream_busy', 'Busy.'), 529, 'overloaded_error', 'Busy.'],
    [new GatewayError('shutting_down', 'Bye.'), 529, 'overloaded_error', 'Bye.'],
    [new GatewayError('upstream_timeout', 'Slow.'), 504, 'timeout_error', 'Slow.'],
  ];
  for (const [error, status, type, message] of shapes) {
    test(`has the status ${status} and the type ${type} for ${error.code}: ${error.message}`, () => {
      assert.deepEqual(anthropicErrors.body(error), { type: 'error', error: { type, message } });
      assert.equal(anthropicErrors.status?.(error), status);
    });
  }
});
