import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent } from '../../src/chat/event.ts';
import { splitThinkTags } from '../../src/chat/filters/think-tags.ts';

const finish: ChatEvent = { type: 'finish', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 }, timings: {} };

/** @returns the thinking and the text of an answer whose texts arrive as given */
function split(texts: readonly string[]): [reasoning: string, text: string] {
  let [reasoning, text] = ['', ''];
  const emit = splitThinkTags((event) => {
    if (event.type === 'reasoning') reasoning += event.text;
    if (event.type === 'text') text += event.text;
  });
  for (const part of texts) emit({ type: 'text', text: part });
  emit(finish);
  return [reasoning, text];
}

suite('splitThinkTags', () => {
  const cases: [answer: string, reasoning: string, text: string][] = [
    ['<think>A heron?</think>A heron.', 'A heron?', 'A heron.'],
    ['\n <think>\nA heron?\n</think>\n\nA heron.\n', 'A heron?\n', 'A heron.\n'],
    ['<thinking>A <think> heron?</thinking> A heron.', 'A <think> heron?', 'A heron.'],
    ['<think></think>A heron.', '', 'A heron.'],
    ['<think>\n\n</think>\n\nA heron.', '', 'A heron.'],
    ['<think>A < b </thin k', 'A < b </thin k', ''],
    ['<think>a</think>b<think>c</think>d', 'a', 'b<think>c</think>d'],
    ['Use the <think> tag.', '', 'Use the <think> tag.'],
    ['  A heron.', '', '  A heron.'],
    ['<thin', '', '<thin'],
    ['<b>A heron</b>', '', '<b>A heron</b>'],
    ['  ', '', '  '],
    ['', '', ''],
    [`${' '.repeat(300)}<think>x`, '', `${' '.repeat(300)}<think>x`],
  ];
  for (const [answer, reasoning, text] of cases) {
    test(`splits ${JSON.stringify(answer.slice(0, 60))}, wherever its parts end`, () => {
      for (let at = 0; at <= answer.length; at += 1) {
        assert.deepEqual(split([answer.slice(0, at), answer.slice(at)]), [reasoning, text], `at ${at}`);
      }
      const expected = answer.length > 256 ? [reasoning, text] : split([answer]);
      assert.deepEqual(split(Array.from(answer)), expected);
    });
  }

  test('keeps texts as they came, with their log probabilities, if there is no tag', () => {
    const logprobs = [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }];
    const events: ChatEvent[] = [
      { type: 'text', text: '<', logprobs },
      { type: 'text', text: 'b>', logprobs },
      { type: 'text', text: ' c', logprobs },
      finish,
    ];
    const seen: ChatEvent[] = [];
    const emit = splitThinkTags((event) => seen.push(event));
    for (const event of events) emit(event);
    assert.deepEqual(seen, events);
  });

  test('passes on tool calls and what the server separated itself, after what was held back', () => {
    const call: ChatEvent = { type: 'tool-call', id: 'a', name: 'f', arguments: '{}' };
    const seen: ChatEvent[] = [];
    const emit = splitThinkTags((event) => seen.push(event));
    for (const event of [
      { type: 'reasoning', text: 'r' },
      { type: 'text', text: '<think>a</th' },
      call,
      { type: 'text', text: '<think>b' },
      finish,
    ] as ChatEvent[]) {
      emit(event);
    }
    assert.deepEqual(seen, [
      { type: 'reasoning', text: 'r' },
      { type: 'reasoning', text: 'a' },
      { type: 'reasoning', text: '</th' },
      call,
      { type: 'text', text: '<think>b' },
      finish,
    ]);
  });
});
