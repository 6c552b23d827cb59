import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ChatRequest } from '../../src/chat/request.ts';
import { ollama } from '../../src/upstreams/ollama/index.ts';

const chat: ChatRequest = { kind: 'chat', model: 'm', sampling: {}, messages: [] };
const noThinking = '"m" does not support thinking';
const noLevel = 'think value "max" is not supported for this model';
const noTools = 'm does not support tools';

/** The changed fields of the request that is sent after an error; undefined when none is. */
function adapted(request: Partial<ChatRequest>, message: string, status = 400): object | undefined {
  const sent = { ...chat, ...request };
  const adaptation = ollama.adapt(sent, ollama.error(status, JSON.stringify({ error: message })));
  if (adaptation === undefined) return undefined;
  const { think, tools, format } = adaptation.request as ChatRequest;
  return { think, tools, format, dropped: adaptation.dropped };
}

suite('adapting a request that Ollama refused', () => {
  const none = { think: undefined, tools: undefined, format: undefined, dropped: [] };

  test('removes thinking that the model does not support, and reports it unless it was turned off', () => {
    assert.deepEqual(adapted({ think: true }, noThinking), { ...none, dropped: ['reasoning_effort'] });
    assert.deepEqual(adapted({ think: 'low' }, noThinking), { ...none, dropped: ['reasoning_effort'] });
    assert.deepEqual(adapted({ think: false }, noThinking), none);
  });

  test('replaces the highest level by high, and other levels by true', () => {
    assert.deepEqual(adapted({ think: 'max' }, noLevel), { ...none, think: 'high' });
    assert.deepEqual(adapted({ think: 'high' }, noLevel), { ...none, think: true });
  });

  test('describes required tools in the prompt and constrains the output to a call', () => {
    const result = adapted({ tools: [{ name: 'f' }], toolChoice: 'required' }, noTools);
    assert.deepEqual(result, {
      ...none,
      format: {
        type: 'object',
        properties: { name: { enum: ['f'] }, arguments: { type: 'object' } },
        required: ['name', 'arguments'],
        additionalProperties: false,
      },
    });
  });

  test('does not change anything else', () => {
    assert.equal(adapted({}, noThinking), undefined);
    assert.equal(adapted({ think: true }, noLevel), undefined);
    assert.equal(adapted({ tools: [{ name: 'f' }] }, noTools), undefined);
    assert.equal(adapted({ think: true }, 'invalid options'), undefined);
    assert.equal(adapted({ think: true }, noThinking, 500), undefined);
  });
});
