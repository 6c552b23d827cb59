import { join } from 'node:path';
import { test } from 'node:test';
import { hello, start, webSearch } from './helpers.ts';
import { search } from './origin.ts';

const script = [{ text: 'Let me look.', calls: [search('llama')] }, { text: 'A camelid: https://example.org/llama.' }];
const dialects = {
  messages: ['/v1/messages', { max_tokens: 99, messages: hello, tools: [webSearch] }],
  responses: ['/v1/responses', { input: 'What is a llama?', tools: [{ type: 'web_search' }] }],
  'v1beta-streamGenerateContent': [
    '/v1beta/models/scripted-plain:streamGenerateContent?alt=sse',
    { contents: [{ role: 'user', parts: [{ text: 'What is a llama?' }] }], tools: [{ googleSearch: {} }] },
  ],
  'chat-completions': ['/v1/chat/completions', { messages: hello, web_search_options: {} }],
} as const;

/** Ids and times differ in each run. */
function stable(text: string): string {
  return text
    .replaceAll(/(?<=(resp|msg|ws|chatcmpl)[_-])[0-9a-f]{24,64}/g, 'ID')
    .replaceAll(/(?<=call_)[0-9a-f]{24,}/g, 'ID')
    .replaceAll(/(?<="(created|created_at|completed_at)":)\d+/g, '0')
    .replaceAll(/^: server-timing: .*$/gm, ': server-timing')
    .replaceAll(/(?<="comment":"server-timing)[^"]*/g, '');
}

for (const [name, [path, body]] of Object.entries(dialects)) {
  for (const server of ['found', 'missing'] as const) {
    test(`the stream of ${name} is the golden one, search ${server}`, async (t) => {
      await using setup = await start({ turns: script, ...(server === 'missing' && { search: false }) });
      const { text } = await setup.post(path, { ...body, stream: true });
      const file = join(import.meta.dirname, '../golden/web-search', `${name}-${server}.sse`);
      t.assert.fileSnapshot(stable(text), file, { serializers: [String] });
    });
  }
}
