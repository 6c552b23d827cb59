import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
import { contentOf, parseLine, toFunctionCall, toolCallsOf } from '../../src/upstreams/ollama/line.ts';

const codeOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
  return 'no error';
};

suite('parseLine', () => {
  const cases: [json: string, code: string][] = [
    ['{"done":true}', 'no error'],
    ['{}', 'no error'],
    ['{', 'upstream_protocol_error'],
    ['[]', 'upstream_protocol_error'],
    ['null', 'upstream_protocol_error'],
    ['{"error":"unexpected EOF"}', 'upstream_crashed'],
    ['{"error":"the heron flew off"}', 'upstream_error'],
    ['{"error":{}}', 'upstream_error'],
    ['{"error":"failed to load model"}', 'model_load_failed'],
    ['{"error":null}', 'no error'],
    ['{"error":""}', 'no error'],
    ['{"error":{}}', 'upstream_error'],
  ];
  for (const [json, code] of cases) {
    test(`${json}: ${code}`, () =>
      assert.equal(
        codeOf(() => parseLine(json)),
        code,
      ));
  }
});

suite('contentOf', () => {
  const none = { thinking: undefined, text: undefined, toolCalls: undefined };
  const cases: [name: string, line: object, content: object][] = [
    ['a message', { message: { content: 'a', thinking: 'b' } }, { ...none, text: 'a', thinking: 'b' }],
    ['a message with calls', { message: { content: '', tool_calls: [1] } }, { ...none, text: '', toolCalls: [1] }],
    ['a response', { response: 'a', thinking: 'b' }, { ...none, text: 'a', thinking: 'b' }],
    ['a message rather than a response', { message: {}, response: 'a', thinking: 'b' }, none],
    ['a response beside a message that is null', { message: null, response: 'a' }, { ...none, text: 'a' }],
    ['nothing', { done: true }, none],
  ];
  for (const [name, line, content] of cases) test(`reads ${name}`, () => assert.deepEqual(contentOf(line), content));
});

suite('tool calls of a line', () => {
  const line = (calls: string): string => `{"message":{"tool_calls":${calls}}}`;

  test('keep all digits of numbers', () => {
    const [call = {}] = toolCallsOf(line('[{"function":{"name":"f","arguments":{"n":9007199254740993}}}]'));
    assert.deepEqual(toFunctionCall(call), { name: 'f', arguments: '{"n":9007199254740993}' });
  });

  const calls: [json: string, args: string][] = [
    ['{"name":"f"}', '{}'],
    ['{"name":"f","arguments":null}', '{}'],
    ['{"name":"f","arguments":""}', '{}'],
    ['{"name":"f","arguments":"{\\"a\\": 1}"}', '{"a": 1}'],
    ['{"name":"f","arguments":[1]}', '[1]'],
    ['{"name":"f","arguments":"the reed"}', 'the reed'],
    ['{"name":"","arguments":{}}', 'upstream_protocol_error'],
    ['{"arguments":{}}', 'upstream_protocol_error'],
    ['null', 'upstream_protocol_error'],
  ];
  for (const [json, expected] of calls) {
    test(`${json} has arguments ${expected}`, () => {
      const [call = {}] = toolCallsOf(line(`[{"function":${json}}]`));
      const code = codeOf(() => toFunctionCall(call));
      assert.equal(code === 'no error' ? toFunctionCall(call).arguments : code, expected);
    });
  }

  for (const json of ['{}', '[1]', '"a"', 'null']) {
    test(`${json} instead of a list of objects is a protocol error`, () => {
      assert.equal(
        codeOf(() => toolCallsOf(line(json))),
        'upstream_protocol_error',
      );
    });
  }
});
