import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Accumulator } from '../../src/chat/accumulator.ts';
import type { FinishEvent, TokenLogprob } from '../../src/chat/event.ts';

const finish: FinishEvent = {
  type: 'finish',
  reason: 'tool_calls',
  usage: { inputTokens: 3, outputTokens: 2 },
  timings: { eval: 1 },
};
const logprob = (token: string): TokenLogprob => ({ token, logprob: -1, bytes: null, top_logprobs: [] });

suite('Accumulator', () => {
  test('has no result before the finish event', () => {
    const accumulator = new Accumulator();
    accumulator.add({ type: 'text', text: 'a' });
    assert.equal(accumulator.result, undefined);
  });

  test('joins texts, thinking and log probabilities, and lists tool calls', () => {
    const accumulator = new Accumulator();
    const call = { type: 'tool-call', id: 'call_1', name: 'f', arguments: '{}' } as const;
    accumulator.add({ type: 'reasoning', text: 'Let me ' });
    accumulator.add({ type: 'reasoning', text: 'think.' });
    accumulator.add({ type: 'text', text: 'a', logprobs: [logprob('a')] });
    accumulator.add({ type: 'text', text: 'b', logprobs: [logprob('b')] });
    accumulator.add(call);
    accumulator.add(finish);
    assert.deepEqual(accumulator.result, {
      text: 'ab',
      reasoning: 'Let me think.',
      toolCalls: [call],
      logprobs: [logprob('a'), logprob('b')],
      finishReason: 'tool_calls',
      usage: finish.usage,
      timings: finish.timings,
    });
  });

  test('keeps the stop sequence of the finish event', () => {
    const accumulator = new Accumulator();
    accumulator.add({ ...finish, stopSequence: 'END' });
    assert.equal(accumulator.result?.stopSequence, 'END');
  });

  test('ignores an event of an unknown type', () => {
    const accumulator = new Accumulator();
    accumulator.add({ type: 'unknown' } as never);
    accumulator.add(finish);
    assert.equal(accumulator.result?.text, '');
  });

  test('takes more log probabilities in one event than a function call may have arguments', () => {
    const accumulator = new Accumulator();
    accumulator.add({ type: 'text', text: 'a', logprobs: Array.from({ length: 200_000 }, () => logprob('a')) });
    accumulator.add(finish);
    assert.equal(accumulator.result?.logprobs.length, 200_000);
  });
});
