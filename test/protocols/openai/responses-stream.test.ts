import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { ChatEvent, FinishReason } from '../../../src/chat/event.ts';
import { Accumulator } from '../../../src/chat/accumulator.ts';
import type { AnswerHead, GenerationCall } from '../../../src/chat/protocol.ts';
import type { Encoder, TotalUsage } from '../../../src/chat/stream.ts';
import { GatewayError } from '../../../src/errors.ts';
import { responses } from '../../../src/protocols/openai/responses/index.ts';
import { MemoryTextStore } from '../../../src/store/memory.ts';
import { assertMatches, assertResponseEvent } from '../../conformance/openai-schema.ts';

const arrivedAt = 1795233600_000;
const head: AnswerHead = {
  id: 'resp_1',
  created: arrivedAt / 1000,
  model: 'm',
  arrivedAt,
  now: () => arrivedAt + 2_500,
};
const total: TotalUsage = { usage: { inputTokens: 4, outputTokens: 3 }, timings: {} };

const text = (value: string): ChatEvent => ({ type: 'text', text: value });
const thinking = (value: string): ChatEvent => ({ type: 'reasoning', text: value });
const call = (id: string): ChatEvent => ({ type: 'tool-call', id, name: 'f', arguments: '{"a":1}' });
const finish = (reason: FinishReason): ChatEvent => ({ type: 'finish', reason, ...total });

const store = new MemoryTextStore({ entries: 10, bytes: 1e6, ttl: 60_000 });

async function read(body: object = {}): Promise<GenerationCall> {
  return await responses(store).read({ model: 'm', input: 'hi', ...body }, 'tester');
}

async function encoder(body: object = {}, answerHead = head): Promise<Encoder> {
  return (await read(body)).encoder(answerHead);
}

/** Parses the events of a stream, and checks names, sequence numbers, frames and OpenAI's schema. */
function parse(stream: string): ResponseStreamEvent[] {
  const frames = stream.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
  return frames.map((frame, index) => {
    const [, name, data] = /^event: (\S+)\ndata: (.*)$/s.exec(frame) ?? assert.fail(frame);
    const event = JSON.parse(data ?? '') as ResponseStreamEvent;
    assert.equal(event.type, name);
    assert.equal((event as { sequence_number: number }).sequence_number, index);
    assertResponseEvent(event);
    return event;
  });
}

async function streamed(events: readonly ChatEvent[], body: object = {}): Promise<ResponseStreamEvent[]> {
  const responseEncoder = await encoder(body);
  return parse(events.map((event) => responseEncoder.write(event, 0)).join('') + responseEncoder.end(total));
}

async function notStreamed(events: readonly ChatEvent[], body: object = {}): Promise<Response> {
  const accumulator = new Accumulator();
  for (const event of events) accumulator.add(event);
  assert.ok(accumulator.result);
  const response = (await read(body)).respond([accumulator.result], total, head) as Response;
  assertMatches('Response', response);
  return response;
}

const message = (index: number, value: string, status = 'completed'): object => ({
  type: 'message',
  id: `msg_1_${index}`,
  status,
  role: 'assistant',
  content: [{ type: 'output_text', text: value, annotations: [], logprobs: [] }],
});
const reasoning = (index: number, value: string, status = 'completed'): object => ({
  type: 'reasoning',
  id: `rs_1_${index}`,
  status,
  summary: [{ type: 'summary_text', text: value }],
});
const functionCall = (index: number, id: string): object => ({
  type: 'function_call',
  id: `fc_1_${index}`,
  status: 'completed',
  call_id: id,
  name: 'f',
  arguments: '{"a":1}',
});

/** Asserts that each item is added and done before the next, and that the last event's output has all items. */
function assertItems(events: readonly ResponseStreamEvent[], expected: readonly object[]): void {
  const added: string[] = [];
  const done: object[] = [];
  for (const event of events) {
    if ('output_index' in event) assert.equal(event.output_index, Math.max(added.length - 1, done.length), event.type);
    if (event.type === 'response.output_item.added') {
      assert.equal(added.length, done.length, 'the previous item is done');
      added.push(event.item.id ?? '');
    }
    if ('item_id' in event) assert.equal(event.item_id, added.at(-1));
    if (event.type === 'response.output_item.done') {
      assert.equal(event.item.id, added.at(-1));
      done.push(event.item);
    }
  }
  assert.deepEqual(done, expected);
  const last = events.at(-1);
  assert.ok(last !== undefined && 'response' in last);
  assert.deepEqual(last.response.output, expected);
}

test('a message is streamed with all its events in order', async () => {
  const events = await streamed([text('Hel'), text('lo "🙂"\n'), finish('stop')]);
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ],
  );
  assertItems(events, [message(0, 'Hello "🙂"\n')]);
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'response.output_text.delta' ? event.delta : [])),
    ['Hel', 'lo "🙂"\n'],
  );
});

const shapes: readonly [name: string, events: readonly ChatEvent[], items: readonly object[], status?: string][] = [
  ['thinking, then text', [thinking('H'), thinking('m'), text('Hi')], [reasoning(0, 'Hm'), message(1, 'Hi')]],
  [
    'text, then calls',
    [text('a'), call('c'), call('d')],
    [message(0, 'a'), functionCall(1, 'c'), functionCall(2, 'd')],
  ],
  ['a call alone', [call('c')], [functionCall(0, 'c')]],
  ['an empty answer', [], [message(0, '')]],
  ['empty texts', [thinking(''), text('')], [message(0, '')]],
  ['thinking alone', [thinking('Hm')], [reasoning(0, 'Hm'), message(1, '')]],
  ['text cut at the length limit', [text('a')], [message(0, 'a', 'incomplete')], 'incomplete'],
  [
    'thinking cut at the length limit',
    [thinking('H')],
    [reasoning(0, 'H', 'incomplete'), message(1, '', 'incomplete')],
    'incomplete',
  ],
  ['a call cut at the length limit', [call('c')], [functionCall(0, 'c')], 'incomplete'],
];

for (const [name, events, items, status = 'completed'] of shapes) {
  test(`${name}: has the same items with and without streaming`, async () => {
    const all = [...events, finish(status === 'completed' ? 'stop' : 'length')];
    const stream = await streamed(all);
    assertItems(stream, items);
    const response = await notStreamed(all);
    const last = stream.at(-1);
    assert.equal(last?.type, `response.${status}`);
    assert.deepEqual('response' in last && last.response, response);
    assert.deepEqual([response.status, response.output], [status, items]);
    assert.deepEqual(response.incomplete_details, status === 'completed' ? null : { reason: 'max_output_tokens' });
    assert.equal(response.completed_at, status === 'completed' ? 1795233602 : null);
  });
}

test('text and thinking after a call are new items', async () => {
  const events = await streamed([text('a'), call('c'), text('b'), thinking('Hm'), text('d'), finish('tool_calls')]);
  const items = [message(0, 'a'), functionCall(1, 'c'), message(2, 'b'), reasoning(3, 'Hm'), message(4, 'd')];
  assertItems(events, items);
});

test('a filtered answer is incomplete with the reason content_filter', async () => {
  const response = await notStreamed([text('a'), finish('content_filter')]);
  assert.deepEqual(response.incomplete_details, { reason: 'content_filter' });
});

test('a call is streamed with one delta', async () => {
  const events = await streamed([call('c'), finish('tool_calls')]);
  const position = { item_id: 'fc_1_0', output_index: 0 };
  const args = '{"a":1}';
  assert.deepEqual(events.slice(2, 5), [
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...functionCall(0, 'c'), status: 'in_progress', arguments: '' },
      sequence_number: 2,
    },
    { type: 'response.function_call_arguments.delta', ...position, delta: args, sequence_number: 3 },
    { type: 'response.function_call_arguments.done', ...position, name: 'f', arguments: args, sequence_number: 4 },
  ]);
});

test('a response repeats the fields of its request', async () => {
  const schema = { type: 'object', properties: {} };
  const echo = {
    instructions: 'Be kind.',
    max_output_tokens: 9,
    metadata: { a: 'b' },
    parallel_tool_calls: false,
    reasoning: { effort: 'low', summary: 'auto' },
    temperature: 0.5,
    top_p: 0.9,
    top_logprobs: 2,
    truncation: 'auto',
    text: { format: { type: 'json_schema', name: 'n', schema, strict: true } },
    tool_choice: { type: 'function', name: 'f' },
    tools: [{ type: 'function', name: 'f', description: 'd', parameters: schema, strict: true }],
  };
  const response = await notStreamed([text('a'), finish('stop')], { ...echo, tools: [...echo.tools, { type: 'mcp' }] });
  assert.partialDeepStrictEqual(response, { ...echo, background: false, previous_response_id: null, error: null });
  assert.deepEqual(response.usage, {
    input_tokens: 4,
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 7,
  });
  const created = (await streamed([finish('stop')], echo))[0];
  assert.ok(created?.type === 'response.created');
  assert.partialDeepStrictEqual(created.response, { ...echo, id: 'resp_1', status: 'in_progress', output: [] });
  assert.equal(created.response.usage, undefined);
});

test('a response to a minimal request has the default value of every field', async () => {
  assert.partialDeepStrictEqual(await notStreamed([text('a'), finish('stop')]), {
    id: 'resp_1',
    object: 'response',
    created_at: 1795233600,
    model: 'm',
    instructions: null,
    max_output_tokens: null,
    metadata: {},
    parallel_tool_calls: true,
    reasoning: { effort: null, summary: null },
    temperature: null,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_p: null,
    truncation: 'disabled',
  });
});

test('log probabilities are all in the item, and in events without their bytes', async () => {
  const logprob = { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1, bytes: null }] };
  const events: ChatEvent[] = [{ type: 'text', text: 'a', logprobs: [logprob] }, text('b'), finish('stop')];
  const body = { include: ['message.output_text.logprobs'], top_logprobs: 1 };
  const stream = await streamed(events, body);
  const inEvents = { token: 'a', logprob: -0.5, top_logprobs: [{ token: 'b', logprob: -1 }] };
  for (const event of stream) {
    if (event.type !== 'response.output_text.delta') continue;
    assert.deepEqual(event.logprobs, event.delta === 'a' ? [inEvents] : []);
  }
  const response = await notStreamed(events, body);
  const last = stream.at(-1);
  assert.ok(last?.type === 'response.completed');
  assert.deepEqual(last.response.output, response.output);
  assert.partialDeepStrictEqual(response.output, [
    { content: [{ logprobs: [{ ...logprob, top_logprobs: [{ token: 'b', logprob: -1, bytes: [] }] }] }] },
  ]);
});

suite('a response whose answer broke', () => {
  const error = new GatewayError('upstream_error', 'The model broke.');

  test('ends in error and response.failed, with the text so far in an incomplete item', async () => {
    const responseEncoder = await encoder();
    const stream =
      [call('c'), text('a'), text('b')].map((event) => responseEncoder.write(event, 0)).join('') +
      responseEncoder.fail(error);
    const events = parse(stream);
    const [errorEvent, failed] = events.slice(-2);
    assert.deepEqual(errorEvent, {
      type: 'error',
      code: 'upstream_error',
      message: 'The model broke.',
      param: null,
      sequence_number: events.length - 2,
    });
    assert.ok(failed?.type === 'response.failed');
    assert.partialDeepStrictEqual(failed.response, {
      status: 'failed',
      error: { code: 'server_error', message: 'The model broke.' },
      output: [functionCall(0, 'c'), message(1, 'ab', 'incomplete')],
      completed_at: null,
    });
    assert.equal(events.filter(({ type }) => type === 'response.output_item.done').length, 1);
  });

  test('has its first two events even when the answer broke before any content', async () => {
    const types = parse((await encoder()).fail(error)).map(({ type }) => type);
    assert.deepEqual(types, ['response.created', 'response.in_progress', 'error', 'response.failed']);
  });

  for (const [code, expected] of [
    ['upstream_busy', 'rate_limit_exceeded'],
    ['server_overloaded', 'rate_limit_exceeded'],
    ['invalid_value', 'invalid_prompt'],
    ['upstream_incomplete', 'server_error'],
  ] as const) {
    test(`has the error code ${expected} for ${code}`, async () => {
      const failed = parse((await encoder()).fail(new GatewayError(code, 'no'))).at(-1);
      assert.ok(failed?.type === 'response.failed');
      assert.equal(failed.response.error?.code, expected);
    });
  }

  test('keeps the code context_length_exceeded, which agents know though OpenAI does not list it', async () => {
    const stream = (await encoder()).fail(new GatewayError('context_length_exceeded', 'no'));
    assert.match(stream, /event: response\.failed\ndata: .*"error":\{"code":"context_length_exceeded",/);
    // Apart from the code it matches OpenAI's schema.
    parse(stream.replaceAll('context_length_exceeded', 'invalid_prompt'));
  });

  test('fails when the answer is longer than 16 Mi characters', async () => {
    const responseEncoder = await encoder();
    const half = text('x'.repeat(8 * 1024 * 1024));
    responseEncoder.write(half, 0);
    responseEncoder.write(half, 0);
    assert.throws(() => responseEncoder.write(text('x'), 0), { code: 'upstream_protocol_error' });
  });
});

test("a response gets a new id when the request's id is not a response id", async () => {
  for (const id of ['trace-1', 'resp_a:b', 'resp_']) {
    const [created] = parse((await encoder({}, { ...head, id })).write(text('a'), 0));
    assert.ok(created?.type === 'response.created');
    assert.match(created.response.id, /^resp_[0-9a-f]{48}$/);
  }
});

test('a stream has the server timing in a comment before its last event', async () => {
  const responseEncoder = await encoder();
  responseEncoder.write(finish('stop'), 0);
  assert.match(
    responseEncoder.end({ ...total, timings: { load: 0.5 } }),
    /^: server-timing: load;dur=500\n\nevent: response.completed\n/,
  );
});

test('a delta event has exactly the expected bytes', async () => {
  const responseEncoder = await encoder();
  responseEncoder.write(text('a'), 0);
  assert.equal(
    responseEncoder.write(text('b'), 0),
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_1_0",' +
      '"output_index":0,"content_index":0,"delta":"b","logprobs":[],"sequence_number":5}\n\n',
  );
});
