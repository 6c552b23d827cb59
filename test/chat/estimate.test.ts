import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  estimatedInputTokens,
  estimatedOutputTokens,
  estimatedTokensIn,
  promptCharacters,
} from '../../src/chat/estimate.ts';
import type { ChatRequest, CompletionRequest } from '../../src/chat/request.ts';

const chat: ChatRequest = {
  kind: 'chat',
  model: 'm',
  sampling: {},
  messages: [
    { role: 'system', text: 'x'.repeat(10) },
    { role: 'user', text: 'x'.repeat(11), images: [{ base64: 'x'.repeat(1_000) }] },
  ],
};
const completion: CompletionRequest = { kind: 'completion', model: 'm', sampling: {}, prompt: 'x'.repeat(8) };

suite('the estimate of input tokens', () => {
  test('is a quarter of the characters of all messages, rounded up, without images', () => {
    assert.equal(promptCharacters(chat), 21);
    assert.equal(estimatedInputTokens(chat), 6);
  });

  test('includes the JSON of tools', () => {
    const tools = [{ name: 'f', description: 'x'.repeat(100) }];
    assert.equal(estimatedInputTokens({ ...chat, tools }), Math.ceil((21 + JSON.stringify(tools).length) / 4));
  });

  test('includes the arguments of earlier calls', () => {
    const toolCalls = [{ id: 'c', name: 'f', arguments: { text: 'x'.repeat(389) } }];
    const messages = [{ role: 'assistant', text: '', reasoning: '', toolCalls }] as const;
    assert.equal(estimatedInputTokens({ ...chat, messages }), 100);
  });

  test('includes the suffix of a text to be continued', () => {
    assert.equal(estimatedInputTokens(completion), 2);
    assert.equal(estimatedInputTokens({ ...completion, suffix: 'x'.repeat(8) }), 4);
  });

  test('includes all texts in a body of any dialect, without images', () => {
    const body = { model: 'abcd', messages: [{ content: 'abcdefgh', images: ['abcdefgh'], n: 1, ok: true, no: null }] };
    assert.equal(estimatedTokensIn(body), 3);
    for (const value of [undefined, null, 5, [], {}]) assert.equal(estimatedTokensIn(value), 0);
  });
});

test('the estimate of output tokens is max_tokens, but at most a page of 512', () => {
  assert.deepEqual([undefined, 10, 512, 4096].map(estimatedOutputTokens), [512, 10, 512, 512]);
});
