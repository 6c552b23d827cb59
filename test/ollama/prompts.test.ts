import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type TestGateway, testGateway } from '../helpers/gateway.ts';
import { chatsOf, native, recordedOllama, user, weatherTools } from './live.ts';

const upstream = await recordedOllama();
const gateway: TestGateway = await testGateway(upstream);
after(async () => {
  await gateway.close();
  await upstream[Symbol.asyncDispose]();
});

interface Rendered {
  readonly _debug_info: { readonly rendered_template: string; readonly image_count?: number };
}

/** @returns the prompt that Ollama renders for llamaduct's request */
async function prompt(body: object): Promise<Rendered['_debug_info']> {
  const response = await gateway.chat({ max_tokens: 1, ...body });
  assert.equal(response.status, 200, await response.text());
  const request = chatsOf(upstream).at(-1);
  const { _debug_info } = await native<Rendered>('/api/chat', { ...request, stream: false, _debug_render_only: true });
  return _debug_info;
}

/** An image of one pixel. */
const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

test('text, image and text of one message stay one message', async () => {
  const content = [
    { type: 'text', text: 'What is' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
    { type: 'text', text: 'this?' },
  ];
  const { rendered_template: template, image_count: images } = await prompt({ messages: [{ role: 'user', content }] });
  assert.match(template, /<\|im_start\|>user\n(\[img-0\])?What is\nthis\?<\|im_end\|>\n<\|im_start\|>assistant/);
  assert.equal(template.match(/<\|im_start\|>user/g)?.length, 1);
  assert.equal(images, 1);
});

for (const role of ['system', 'developer']) {
  test(`a ${role} message replaces the model's own system text in the prompt`, async () => {
    const { rendered_template: template } = await prompt({
      messages: [{ role, content: 'Talk like a llama.' }, user('hi')],
    });
    assert.match(
      template,
      /^<\|im_start\|>system\nTalk like a llama\.<\|im_end\|>\n<\|im_start\|>user\nhi<\|im_end\|>/,
    );
    assert.doesNotMatch(template, /You are scripted/);
  });
}

test('tools, calls and their results are in the prompt', async () => {
  const { rendered_template: template } = await prompt({
    model: 'scripted-tools',
    tools: weatherTools,
    messages: [
      user('And in Oslo?'),
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'snow' },
    ],
  });
  assert.match(template, /"name":"get_weather","description":"Weather in a city"/);
  assert.match(template, /<tool_call>\n\{"name": "get_weather", "arguments": \{"city":"Oslo"\}\}\n<\/tool_call>/);
  assert.match(template, /<\|im_start\|>tool\nsnow<\|im_end\|>/);
});

test('the thinking of an earlier answer is in the prompt', async () => {
  const { rendered_template: template } = await prompt({
    model: 'scripted-think',
    messages: [
      user('hi'),
      { role: 'assistant', content: 'Good day.', reasoning_content: 'A greeting.' },
      user('again'),
    ],
  });
  assert.match(template, /<think>\nA greeting\.\n<\/think>\nGood day\.<\|im_end\|>/);
});
