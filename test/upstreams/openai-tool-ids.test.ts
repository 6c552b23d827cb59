import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readChat } from '../../src/protocols/ollama/chat/request.ts';
import { withCallIds } from '../../src/upstreams/openai/tool-ids.ts';

const call = (name: string, id?: string): object => ({ ...(id !== undefined && { id }), function: { name } });
const calling = (...calls: object[]): object => ({ role: 'assistant', content: '', tool_calls: calls });
const result = (rest: object): object => ({ role: 'tool', content: 'r', ...rest });

/** The ids of a history: of calls `name=id`, of results `id>name`. */
function ids(...messages: object[]): string[] {
  return withCallIds(readChat({ model: 'm', messages }).request.messages).flatMap((message) => {
    if (message.role === 'assistant') return message.toolCalls.map(({ id, name }) => `${name}=${id}`);
    return message.role === 'tool' ? [`${message.callId}>${message.name ?? ''}`] : [];
  });
}

test('calls are counted over the history', () => {
  const seen = ids(calling(call('a'), call('b')), result({}), result({}), calling(call('a')));
  assert.deepEqual(seen, ['a=call_0', 'b=call_1', 'call_0>', 'call_1>', 'a=call_2']);
});

test('a longer history begins with the same ids', () => {
  const short = [calling(call('a'), call('b')), result({ tool_name: 'b' })];
  const long = [...short, result({ tool_name: 'a' }), calling(call('a'))];
  assert.deepEqual(ids(...long).slice(0, 3), ids(...short));
});

test('ids of the client stay, and none is given twice', () => {
  const seen = ids(calling(call('a')), calling(call('b', 'call_0')), calling(call('c')));
  assert.deepEqual(seen, ['a=call_1', 'b=call_0', 'c=call_2']);
});

test('a result is that of the oldest unanswered call of its tool', () => {
  const seen = ids(
    calling(call('a'), call('b'), call('a')),
    result({ tool_name: 'b' }),
    result({ tool_name: 'a' }),
    result({ tool_name: 'a' }),
  );
  assert.deepEqual(seen.slice(3), ['call_1>b', 'call_0>a', 'call_2>a']);
});

test('a result of no tool that was called is that of the oldest unanswered call', () => {
  const seen = ids(calling(call('a'), call('b')), result({ tool_name: 'other' }), result({}));
  assert.deepEqual(seen.slice(2), ['call_0>other', 'call_1>']);
});

test('an id that is given wins over the order', () => {
  const seen = ids(calling(call('a', 'x'), call('a', 'y')), result({ tool_call_id: 'y' }), result({ tool_name: 'a' }));
  assert.deepEqual(seen.slice(2), ['y>', 'x>a']);
});

test('a result without any call gets an id of its own', () => {
  assert.deepEqual(ids(result({ tool_name: 'a' }), result({ tool_call_id: 'z' })), ['call_0>a', 'z>']);
});

test('a call that never got its result does not take that of a later turn', () => {
  const seen = ids(calling(call('a')), calling(call('a')), result({ tool_name: 'a' }));
  assert.deepEqual(seen, ['a=call_0', 'a=call_1', 'call_1>a']);
});

test('a tool named as a property of every object is a tool like any other', () => {
  assert.deepEqual(ids(calling(call('__proto__')), result({ tool_name: '__proto__' })), [
    '__proto__=call_0',
    'call_0>__proto__',
  ]);
});

// Quadratic, it would take more than a minute, and the test runner's patience.
test('a long history is paired to its end', { timeout: 30_000 }, () => {
  const count = 50_000;
  const calls = Array.from({ length: count }, (_, index) => call(index % 2 === 0 ? 'a' : 'b'));
  const results = Array.from({ length: count }, () => result({ tool_name: 'b' }));
  const seen = ids(calling(...calls), ...results);
  assert.equal(seen.at(-1), `call_${count - 2}>b`);
});
