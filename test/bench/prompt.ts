import type { Job } from './job.ts';

const sentence = 'Tell me about the "quick" brown fox — 世界, café.\n';
/** Bytes of a message. */
const longest = 5_000;

/** @returns a conversation whose text has about `bytes` bytes */
function messagesOf(bytes: number): readonly { role: string; content: string }[] {
  const messages = [{ role: 'system', content: 'You are a helpful assistant.' }];
  for (let left = bytes; left > 0; left -= longest) {
    const times = Math.ceil(Math.min(left, longest) / Buffer.byteLength(sentence));
    // The last message is the user's.
    const role = Math.ceil(left / longest) % 2 === 1 ? 'user' : 'assistant';
    messages.push({ role, content: sentence.repeat(times) });
  }
  return messages;
}

/** @returns a chat completion request with its head */
export function requestOf({ port, key, model, prompt, streamed }: Job): Buffer {
  const body = Buffer.from(
    JSON.stringify({ model, messages: messagesOf(prompt), stream: streamed, temperature: 0.7, max_tokens: 512 }),
  );
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'User-Agent: bench',
    'Accept: */*',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}
