import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatEvent } from '../../src/chat/event.ts';
import { emitContent } from '../../src/upstreams/content.ts';

suite('emitContent', () => {
  const logprobs = [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }];
  const cases: [
    name: string,
    content: [reasoning: string, text: string, withLogprobs: boolean],
    events: ChatEvent[],
  ][] = [
    ['nothing', ['', '', false], []],
    ['text', ['', 'a', false], [{ type: 'text', text: 'a' }]],
    ['text with log probabilities', ['', 'a', true], [{ type: 'text', text: 'a', logprobs }]],
    ['log probabilities alone', ['', '', true], [{ type: 'text', text: '', logprobs }]],
    ['reasoning', ['b', '', false], [{ type: 'reasoning', text: 'b' }]],
    ['reasoning without its log probabilities', ['b', '', true], [{ type: 'reasoning', text: 'b' }]],
    [
      'reasoning before text',
      ['b', 'a', true],
      [
        { type: 'reasoning', text: 'b' },
        { type: 'text', text: 'a', logprobs },
      ],
    ],
  ];
  for (const [name, [reasoning, text, withLogprobs], expected] of cases) {
    test(`emits ${name}`, () => {
      const events: ChatEvent[] = [];
      emitContent((event) => events.push(event), reasoning, text, withLogprobs ? logprobs : []);
      assert.deepEqual(events, expected);
    });
  }
});
