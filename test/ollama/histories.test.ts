import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { images } from '../images/samples.ts';
import { liveGateway } from './live.ts';

// What clients keep in their histories, and the forms in which they send schemas, against a real Ollama.

const hi = { role: 'user', content: 'hi' };
const call = (id: string, args: unknown): object => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: args },
});
const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${images.png.toString('base64')}` } };

const histories: [name: string, messages: object[]][] = [
  ...['{"a":', 'prose', '', '[]', 'null', null].map((args): [string, object[]] => [
    `arguments ${JSON.stringify(args)}`,
    [
      hi,
      { role: 'assistant', content: null, tool_calls: [call('a', args)] },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ],
  ]),
  ['a system message in the middle', [hi, { role: 'system', content: 'Be brief.' }, hi]],
  ['a role that no template has', [{ role: 'control', content: 'thinking' }, hi]],
  [
    'results in another order',
    [
      hi,
      { role: 'assistant', content: null, tool_calls: [call('a', '{}'), call('b', '{}')] },
      { role: 'tool', tool_call_id: 'b', content: '2' },
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ],
  ],
  ['a result without a call', [{ role: 'tool', tool_call_id: 'z', content: '1' }, hi]],
  ['an image in a result', [hi, { role: 'tool', tool_call_id: 'a', content: [picture] }]],
  ['an unknown part', [{ role: 'user', content: [{ type: 'hologram' }, { type: 'text', text: 'hi' }] }]],
  [
    'a PDF',
    [{ role: 'user', content: [{ type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=' } }] }, hi],
  ],
];

suite('a history is taken with', () => {
  for (const [name, messages] of histories) {
    test(name, async () => {
      await using gateway = await liveGateway();
      const response = await gateway.chat({ model: 'scripted-plain', messages });
      assert.equal(response.status, 200, await response.text());
    });
  }
});

const schema = { type: 'object', properties: { age: { type: 'integer', minimum: 0, exclusiveMinimum: true } } };
const formats: object[] = [
  { type: 'json_schema', json_schema: { schema } },
  { type: 'json_schema', schema },
  { type: 'json_object', schema },
  schema,
];

suite('the answer follows the schema in', () => {
  for (const response_format of formats) {
    test(JSON.stringify(response_format), async () => {
      await using gateway = await liveGateway();
      const response = await gateway.chat({ model: 'scripted-json', messages: [hi], response_format });
      const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
      assert.equal(typeof JSON.parse(choices[0]?.message.content ?? ''), 'object');
    });
  }
});
