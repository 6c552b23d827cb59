import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { conversationIn, conversationOf } from '../../src/chat/history/conversation.ts';
import type { ChatRequest, CompletionRequest, Message } from '../../src/chat/request.ts';

const system: Message = { role: 'system', text: 'Be brief.' };
const user = (text: string): Message => ({ role: 'user', text, images: [] });
const chat = (...messages: Message[]): ChatRequest => ({ kind: 'chat', model: 'm', sampling: {}, messages });
const completion = (prompt: string): CompletionRequest => ({ kind: 'completion', model: 'm', sampling: {}, prompt });

suite('conversationOf', () => {
  test('is the same for a later request of the same chat', () => {
    const answer: Message = { role: 'assistant', text: 'Hi.', reasoning: '', toolCalls: [] };
    const later = chat(system, user('hello'), answer, user('and now?'));
    assert.equal(conversationOf(chat(system, user('hello'))), conversationOf(later));
  });

  test('differs by model, system message and first user message', () => {
    const request = chat(system, user('hello'));
    const others = [{ ...request, model: 'other' }, chat(user('hello')), chat(system, user('bye')), chat(system)];
    for (const other of others) assert.notEqual(conversationOf(request), conversationOf(other));
  });

  test('compares the first 2000 characters of a text to be continued', () => {
    const start = 'x'.repeat(2_000);
    assert.equal(conversationOf(completion(`${start}a`)), conversationOf(completion(`${start}b`)));
    assert.notEqual(conversationOf(completion('a')), conversationOf(completion('b')));
  });
});

suite('conversationIn', () => {
  const body = { messages: [{ role: 'system', content: 'Be brief.' }, null, { role: 'user', content: 'hello' }] };

  test('is the same for a later body of the same chat', () => {
    const later = { messages: [...body.messages, { role: 'user', content: 'and now?' }] };
    assert.equal(conversationIn('m', body), conversationIn('m', later));
  });

  test('differs by the first user message, and by the prompt', () => {
    assert.notEqual(conversationIn('m', body), conversationIn('m', { messages: [{ role: 'user', content: 'bye' }] }));
    assert.notEqual(conversationIn('m', { prompt: 'a' }), conversationIn('m', { prompt: 'b' }));
  });

  for (const value of [undefined, 'text', [], {}, { messages: 'hello' }, { prompt: ['a'] }]) {
    test(`is undefined for ${JSON.stringify(value)}`, () => assert.equal(conversationIn('m', value), undefined));
  }
});
