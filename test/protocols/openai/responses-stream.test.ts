import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

const text = (piece: string): ChatEvent => ({ type: 'text', text: piece });
const thought = (piece: string): ChatEvent => ({ type: 'reasoning', text: piece });
const called = (id: string): ChatEvent => ({ type: 'tool-call', id, name: 'f', arguments: '{"a":1}' });
const finish = (reason: FinishReason): ChatEvent => ({ type: 'finish', reason, ...total });

const keeper = new MemoryTextStore({ entries: 10, bytes: 1e6, ttl: 60_000 });

async function read(body: object = {}): Promise<GenerationCall> {
  return await responses(keeper).read({ model: 'm', input: 'hi', ...body }, 'tester');
}

async function encoder(body: object = {}, answerHead = head): Promise<Encoder> {
  return (await read(body)).encoder(answerHead);
}

/** The events of a stream, each held against OpenAI's description; names, numbers and the shape of frames too. */
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
  const one = await encoder(body);
  return parse(events.map((event) => one.write(event, 0)).join('') + one.end(total));
}

async function whole(events: readonly ChatEvent[], body: object = {}): Promise<Response> {
  const fold = new Accumulator();
  for (const event of events) fold.add(event);
  assert.ok(fold.result);
  const response = (await read(body)).respond([fold.result], total, head) as Response;
  assertMatches('Response', response);
  return response;
}

const message = (index: number, said: string, status = 'completed'): object => ({
  type: 'message',
  id: `msg_1_${index}`,
  status,
  role: 'assistant',
  content: [{ type: 'output_text', text: said, annotations: [], logprobs: [] }],
});
const reasoning = (index: number, said: string, status = 'completed'): object => ({
  type: 'reasoning',
  id: `rs_1_${index}`,
  status,
  summary: [{ type: 'summary_text', text: said }],
});
const functionCall = (index: number, id: string): object => ({
  type: 'function_call',
  id: `fc_1_${index}`,
  status: 'completed',
  call_id: id,
  name: 'f',
  arguments: '{"a":1}',
});

/** Every item is added, then done, before the next one is, and is in the output as it was done. */
function assertItems(events: readonly ResponseStreamEvent[], expected: readonly object[]): void {
  const added: string[] = [];
  const done: object[] = [];
  for (const event of events) {
    if ('output_index' in event) assert.equal(event.output_index, Math.max(added.length - 1, done.length), event.type);
    if (event.type === 'response.output_item.added') {
      assert.equal(added.length, done.length, 'the item before is done');
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

test('every event of a message, in order', async () => {
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

const shapes: readonly [what: string, events: readonly ChatEvent[], items: readonly object[], status?: string][] = [
  ['thinking, then text', [thought('H'), thought('m'), text('Hi')], [reasoning(0, 'Hm'), message(1, 'Hi')]],
  [
    'text, then calls',
    [text('a'), called('c'), called('d')],
    [message(0, 'a'), functionCall(1, 'c'), functionCall(2, 'd')],
  ],
  ['a call alone', [called('c')], [functionCall(0, 'c')]],
  ['nothing', [], [message(0, '')]],
  ['empty pieces', [thought(''), text('')], [message(0, '')]],
  ['thinking alone', [thought('Hm')], [reasoning(0, 'Hm'), message(1, '')]],
  ['text cut at its length', [text('a')], [message(0, 'a', 'incomplete')], 'incomplete'],
  [
    'thinking cut at its length',
    [thought('H')],
    [reasoning(0, 'H', 'incomplete'), message(1, '', 'incomplete')],
    'incomplete',
  ],
  ['a call, then the end of the length', [called('c')], [functionCall(0, 'c')], 'incomplete'],
];

for (const [what, events, items, status = 'completed'] of shapes) {
  test(`${what}: the same items streamed and whole`, async () => {
    const all = [...events, finish(status === 'completed' ? 'stop' : 'length')];
    const stream = await streamed(all);
    assertItems(stream, items);
    const response = await whole(all);
    const last = stream.at(-1);
    assert.equal(last?.type, `response.${status}`);
    assert.deepEqual('response' in last && last.response, response);
    assert.deepEqual([response.status, response.output], [status, items]);
    assert.deepEqual(response.incomplete_details, status === 'completed' ? null : { reason: 'max_output_tokens' });
    assert.equal(response.completed_at, status === 'completed' ? 1795233602 : null);
  });
}

test('what comes after a call is an item of its own', async () => {
  const events = await streamed([text('a'), called('c'), text('b'), thought('Hm'), text('d'), finish('tool_calls')]);
  const items = [message(0, 'a'), functionCall(1, 'c'), message(2, 'b'), reasoning(3, 'Hm'), message(4, 'd')];
  assertItems(events, items);
});

test('a filtered answer is incomplete', async () => {
  const response = await whole([text('a'), finish('content_filter')]);
  assert.deepEqual(response.incomplete_details, { reason: 'content_filter' });
});

test('a call is streamed in one piece', async () => {
  const events = await streamed([called('c'), finish('tool_calls')]);
  const place = { item_id: 'fc_1_0', output_index: 0 };
  const args = '{"a":1}';
  assert.deepEqual(events.slice(2, 5), [
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...functionCall(0, 'c'), status: 'in_progress', arguments: '' },
      sequence_number: 2,
    },
    { type: 'response.function_call_arguments.delta', ...place, delta: args, sequence_number: 3 },
    { type: 'response.function_call_arguments.done', ...place, name: 'f', arguments: args, sequence_number: 4 },
  ]);
});

test('an answer repeats its request', async () => {
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
  const response = await whole([text('a'), finish('stop')], { ...echo, tools: [...echo.tools, { type: 'mcp' }] });
  assert.partialDeepStrictEqual(response, { ...echo, background: false, previous_response_id: null, error: null });
  assert.deepEqual(response.usage, {
    input_tokens: 4,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 3,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 7,
  });
  const created = (await streamed([finish('stop')], echo))[0];
  assert.ok(created?.type === 'response.created');
  assert.partialDeepStrictEqual(created.response, { ...echo, id: 'resp_1', status: 'in_progress', output: [] });
  assert.equal(created.response.usage, undefined);
});

test('an answer to a request that says little', async () => {
  assert.partialDeepStrictEqual(await whole([text('a'), finish('stop')]), {
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

test('log probabilities: all of them in the item, without their bytes in events', async () => {
  const logprob = { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -1, bytes: null }] };
  const events: ChatEvent[] = [{ type: 'text', text: 'a', logprobs: [logprob] }, text('b'), finish('stop')];
  const body = { include: ['message.output_text.logprobs'], top_logprobs: 1 };
  const stream = await streamed(events, body);
  const told = { token: 'a', logprob: -0.5, top_logprobs: [{ token: 'b', logprob: -1 }] };
  for (const event of stream) {
    if (event.type !== 'response.output_text.delta') continue;
    assert.deepEqual(event.logprobs, event.delta === 'a' ? [told] : []);
  }
  const response = await whole(events, body);
  const last = stream.at(-1);
  assert.ok(last?.type === 'response.completed');
  assert.deepEqual(last.response.output, response.output);
  assert.partialDeepStrictEqual(response.output, [
    { content: [{ logprobs: [{ ...logprob, top_logprobs: [{ token: 'b', logprob: -1, bytes: [] }] }] }] },
  ]);
});

describe('an answer that broke', () => {
  const error = new GatewayError('upstream_error', 'The model broke.');

  test('in a message: error, then failed, with what was said as incomplete', async () => {
    const one = await encoder();
    const stream = [called('c'), text('a'), text('b')].map((event) => one.write(event, 0)).join('') + one.fail(error);
    const events = parse(stream);
    const [told, failed] = events.slice(-2);
    assert.deepEqual(told, {
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

  test('before anything', async () => {
    const types = parse((await encoder()).fail(error)).map(({ type }) => type);
    assert.deepEqual(types, ['response.created', 'response.in_progress', 'error', 'response.failed']);
  });

  for (const [code, expected] of [
    ['upstream_busy', 'rate_limit_exceeded'],
    ['server_overloaded', 'rate_limit_exceeded'],
    ['invalid_value', 'invalid_prompt'],
    ['upstream_incomplete', 'server_error'],
  ] as const) {
    test(`${code} is ${expected}`, async () => {
      const failed = parse((await encoder()).fail(new GatewayError(code, 'no'))).at(-1);
      assert.ok(failed?.type === 'response.failed');
      assert.equal(failed.response.error?.code, expected);
    });
  }

  test('context_length_exceeded keeps its code: agents know it, though it is not on the list', async () => {
    const stream = (await encoder()).fail(new GatewayError('context_length_exceeded', 'no'));
    assert.match(stream, /event: response\.failed\ndata: .*"error":\{"code":"context_length_exceeded",/);
    // But for that it is as described.
    parse(stream.replaceAll('context_length_exceeded', 'invalid_prompt'));
  });

  test('an answer longer than is held fails', async () => {
    const one = await encoder();
    const piece = text('x'.repeat(8 * 1024 * 1024));
    one.write(piece, 0);
    one.write(piece, 0);
    assert.throws(() => one.write(text('x'), 0), { code: 'upstream_protocol_error' });
  });
});

test("a response has an id of its own where the request's is none", async () => {
  for (const id of ['trace-1', 'resp_a:b', 'resp_']) {
    const [created] = parse((await encoder({}, { ...head, id })).write(text('a'), 0));
    assert.ok(created?.type === 'response.created');
    assert.match(created.response.id, /^resp_[0-9a-f]{48}$/);
  }
});

test('where the time went is told in a comment', async () => {
  const one = await encoder();
  one.write(finish('stop'), 0);
  assert.match(
    one.end({ ...total, timings: { load: 0.5 } }),
    /^: server-timing: load;dur=500\n\nevent: response.completed\n/,
  );
});

test('a delta is its text and its number', async () => {
  const one = await encoder();
  one.write(text('a'), 0);
  assert.equal(
    one.write(text('b'), 0),
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_1_0",' +
      '"output_index":0,"content_index":0,"delta":"b","logprobs":[],"sequence_number":5}\n\n',
  );
});
