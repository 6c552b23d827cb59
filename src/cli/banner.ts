/** The key as the snippets write it: inside a double-quoted shell word, and as a JavaScript expression. */
export interface KeyText {
  readonly shell: string;
  readonly javascript: string;
}

/** For a key that was just created: the secret itself. */
export function literalKey(secret: string): KeyText {
  return { shell: secret, javascript: `'${secret}'` };
}

/** For a key from the environment: the variable, so that the operator's secret is not printed. */
export const keyFromEnvironment: KeyText = { shell: '$LLAMADUCT_KEY', javascript: 'process.env.LLAMADUCT_KEY' };

/**
 * Formats the key and ready-to-paste snippets of one chat request: for curl, the OpenAI SDK and the AI SDK. The SDKs cannot
 * connect to a Unix socket.
 */
export function banner(url: string, key: KeyText, model: string): string {
  const isSocket = url.startsWith('unix:');
  const base = isSocket ? `--unix-socket '${url.slice('unix:'.length)}' http://localhost` : url;
  const curl = `
API key:
${key.shell}

# curl
curl -N ${base}/v1/chat/completions -H "Authorization: Bearer ${key.shell}" -d '{"model":"${model}","messages":[{"role":"user","content":"hello"}],"stream":true}'
`;
  return isSocket ? curl : curl + sdkSnippets(url, key, model);
}

function sdkSnippets(url: string, key: KeyText, model: string): string {
  return `
// OpenAI SDK: npm install openai
import OpenAI from 'openai';
const client = new OpenAI({ baseURL: '${url}/v1', apiKey: ${key.javascript} });
const stream = await client.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'hello' }],
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? '');

// AI SDK: npm install ai @ai-sdk/openai-compatible
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { streamText } from 'ai';
const llamaduct = createOpenAICompatible({ name: 'llamaduct', baseURL: '${url}/v1', apiKey: ${key.javascript} });
const { textStream } = streamText({ model: llamaduct('${model}'), prompt: 'hello' });
for await (const text of textStream) process.stdout.write(text);
`;
}
