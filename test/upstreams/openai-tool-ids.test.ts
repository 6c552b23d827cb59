import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readChat } from '../../src/protocols/ollama/chat/request.ts';
import { withCallIds } from '../../src/upstreams/openai/tool-ids.ts';

const call = (name: string, id?: string): object => ({ ...(id !== undefined && { id }), function: { name } });
const calling = (...calls: object[]): object => ({ role: 'assistant', content: '', tool_calls: calls });
const result = (rest: object): object => ({ role: 'tool', content: 'r', ...rest });

/** The ids of a history: `name=id` for calls, `id>name` for results. */
function ids(...messages: object[]): string[] {
  return withCallIds(readChat({ model: 'm', messages }).request.messages).flatMap((message) => {
    if (message.role === 'assistant') return message.toolCalls.map(({ id, name }) => `${name}=${id}`);
    return message.role === 'tool' ? [`${message.callId}>${message.name ?? ''}`] : [];
  });
}

test('withCallIds numbers calls over the whole history', () => {
  const seen = ids(calling(call('a'), call('b')), result({}), result({}), calling(call('a')));
  assert.deepEqual(seen, ['a=call_0', 'b=call_1', 'call_0>', 'call_1>', 'a=call_2']);
});

test('withCallIds gives a longer history the same first ids', () => {
  const short = [calling(call('a'), call('b')), result({ tool_name: 'b' })];
  const long = [...short, result({ tool_name: 'a' }), calling(call('a'))];
  assert.deepEqual(ids(...long).slice(0, 3), ids(...short));
});

test('withCallIds keeps the ids of the client and gives none twice', () => {
  const seen = ids(calling(call('a')), calling(call('b', 'call_0')), calling(call('c')));
  assert.deepEqual(seen, ['a=call_1', 'b=call_0', 'c=call_2']);
});

test('withCallIds pairs a result with the oldest unanswered call of its tool', () => {
  const seen = ids(
    calling(call('a'), call('b'), call('a')),
    result({ tool_name: 'b' }),
    result({ tool_name: 'a' }),
    result({ tool_name: 'a' }),
  );
  assert.deepEqual(seen.slice(3), ['call_1>b', 'call_0>a', 'call_2>a']);
});

test('withCallIds pairs a result of an unknown tool with the oldest unanswered call', () => {
  const seen = ids(calling(call('a'), call('b')), result({ tool_name: 'other' }), result({}));
  assert.deepEqual(seen.slice(2), ['call_0>other', 'call_1>']);
});

test('withCallIds pairs a result with an id by that id', () => {
  const seen = ids(calling(call('a', 'x'), call('a', 'y')), result({ tool_call_id: 'y' }), result({ tool_name: 'a' }));
  assert.deepEqual(seen.slice(2), ['y>', 'x>a']);
});

test('withCallIds gives a result without any call an id of its own', () => {
  assert.deepEqual(ids(result({ tool_name: 'a' }), result({ tool_call_id: 'z' })), ['call_0>a', 'z>']);
});

test('withCallIds does not pair an unanswered call with a result of a later message', () => {
  const seen = ids(calling(call('a')), calling(call('a')), result({ tool_name: 'a' }));
  assert.deepEqual(seen, ['a=call_0', 'a=call_1', 'call_1>a']);
});

test('withCallIds handles a tool named __proto__', () => {
  assert.deepEqual(ids(calling(call('__proto__')), result({ tool_name: '__proto__' })), [
    '__proto__=call_0',
    'call_0>__proto__',
  ]);
});

// In quadratic time it would take more than a minute.
test('withCallIds pairs a history of 50,000 calls in linear time', { timeout: 30_000 }, () => {
  const count = 50_000;
  const calls = Array.from({ length: count }, (_, index) => call(index % 2 === 0 ? 'a' : 'b'));
  const results = Array.from({ length: count }, () => result({ tool_name: 'b' }));
  const seen = ids(calling(...calls), ...results);
  assert.equal(seen.at(-1), `call_${count - 2}>b`);
});

test('results with ids whose calls have none, as LiteLLM sends them, belong to the calls in their order', () => {
  const seen = ids(
    calling(call('a'), call('b')),
    result({ tool_call_id: 'call_x' }),
    result({ tool_call_id: 'call_y' }),
    result({ tool_call_id: 'call_z' }),
  );
  assert.deepEqual(seen, ['a=call_0', 'b=call_1', 'call_0>', 'call_1>', 'call_z>']);
});
