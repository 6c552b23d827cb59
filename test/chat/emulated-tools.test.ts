import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withToolsAsText } from '../../src/chat/emulated-tools.ts';
import type { ChatRequest } from '../../src/chat/request.ts';

const image = { base64: 'AAAA' };
const recording = { base64: 'BBBB', format: 'wav', param: 'messages' };

test('results that follow each other and the next message of the user become one message, with all attachments', () => {
  const request: ChatRequest = {
    kind: 'chat',
    model: 'm',
    sampling: {},
    tools: [{ name: 'look' }],
    messages: [
      { role: 'user', text: 'Look twice.', images: [] },
      {
        role: 'assistant',
        text: '',
        reasoning: '',
        toolCalls: [
          { id: 'a', name: 'look', arguments: { at: 1 } },
          { id: 'b', name: 'look', arguments: {} },
        ],
      },
      { role: 'tool', text: 'one', callId: 'a', name: 'look', images: [image] },
      { role: 'tool', text: 'two', callId: 'b', name: 'look' },
      { role: 'user', text: 'Well?', images: [], audio: [recording] },
      { role: 'user', text: 'Go on.', images: [] },
    ],
  };
  const { messages } = withToolsAsText(request);
  assert.deepEqual(messages.slice(1), [
    { role: 'user', text: 'Look twice.', images: [] },
    {
      role: 'assistant',
      reasoning: '',
      toolCalls: [],
      text: '<tool_call>\n{"name":"look","arguments":{"at":1}}\n</tool_call>\n<tool_call>\n{"name":"look","arguments":{}}\n</tool_call>',
    },
    {
      role: 'user',
      text: '<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>\nWell?',
      images: [image],
      audio: [recording],
      documents: [],
    },
    { role: 'user', text: 'Go on.', images: [] },
  ]);
  assert.equal(messages[0]?.role, 'system');
});
