import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { GatewayError } from '../../src/errors.ts';
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

  test('leaves a refusal of tools to the gateway, and constrains a required call that is text', () => {
    assert.equal(adapted({ tools: [{ name: 'f' }], toolChoice: 'required' }, noTools), undefined);
    assert.ok(ollama.refusesTools(new GatewayError('invalid_value', noTools)));
    const { body } = ollama.generation({
      kind: 'chat',
      model: 'm',
      sampling: {},
      messages: [],
      tools: [{ name: 'f' }],
      toolChoice: 'required',
      toolsAreText: true,
    });
    assert.ok(!('tools' in body));
    assert.deepEqual('format' in body && body.format, {
      type: 'object',
      properties: { name: { enum: ['f'] }, arguments: { type: 'object' } },
      required: ['name', 'arguments'],
      additionalProperties: false,
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
