import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type Answer, chat, post, postBytes, script, tryChat, user } from './api-client.ts';
import type { Check } from './check.ts';
import type { Target } from './target.ts';
import { bothTools } from './tools.ts';

const chatBody = { model: 'scripted-plain', messages: [script('one')], max_tokens: 5 };
const path = '/v1/chat/completions';

function textOf({ json }: Answer): string {
  return (json as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? '';
}

/** Checks of what clients send that is not in their bodies' fields, and of what they expect beside the text. */
export const clientChecks: readonly Check[] = [
  {
    number: 24,
    title: 'Request bodies in gzip, br, deflate and zstd are read, and an unknown coding is a 415',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const bytes = Buffer.from(JSON.stringify(chatBody));
      const packed = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync, zstd: zstdCompressSync };
      for (const [coding, pack] of Object.entries(packed)) {
        const { status, problem } = await postBytes(target, path, { 'content-encoding': coding }, pack(bytes));
        equal(status, 200, `${coding}: ${problem}`);
      }
      const { status } = await postBytes(target, path, { 'content-encoding': 'snappy' }, bytes);
      equal(status, 415, `an unknown coding is HTTP ${status}`);
    },
  },
  {
    number: 24,
    title: 'Doubled and trailing slashes in a path make no difference',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      for (const other of ['/v1//chat/completions', '//v1/chat/completions', '/v1/chat/completions/']) {
        const answer = await post(target, other, chatBody);
        equal(answer.status, 200, `${other}: ${answer.problem}`);
        equal(textOf(answer), 'Yes', `${other}: another answer`);
      }
    },
  },
  {
    number: 24,
    title: 'A WebSocket of the Responses API is declined with a 426, so that Codex goes on over HTTP',
    beyond: true,
    async run(target) {
      const status = await upgrade(target, '/v1/responses');
      equal(status, 426, `HTTP ${status}`);
    },
  },
  {
    number: 24,
    title: "Azure OpenAI's clients are served: `api-key`, and the model in the path",
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      const azure = '/openai/deployments/scripted-plain/chat/completions?api-version=2024-10-21';
      const body = Buffer.from(JSON.stringify({ messages: [script('one')] }));
      const { status, problem } = await postBytes(target, azure, { 'api-key': target.key, authorization: '' }, body);
      equal(status, 200, problem);
    },
  },
  {
    number: 24,
    title: 'A key in the base path is accepted, if the operator allows it',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      await using allowed = await target.configured({ keys_in_path: true });
      const body = Buffer.from(JSON.stringify({ ...chatBody, stream: false }));
      const { status, problem } = await postBytes(allowed, `/k/${allowed.key}/api/chat`, { authorization: '' }, body);
      equal(status, 200, problem);
    },
  },
  {
    number: 25,
    title: 'Embeddings of tokens, as LangChain sends them, are those of their text',
    needs: ['scripted-embed'],
    async run(target) {
      const embed = async (input: unknown): Promise<number[]> => {
        const { status, json, problem } = await post(target, '/v1/embeddings', { model: 'scripted-embed', input });
        equal(status, 200, problem);
        return (json as { data: { embedding: number[] }[] }).data[0]?.embedding ?? [];
      };
      // `cl100k_base`
      deepEqual(await embed([[9906, 1917]]), await embed('Hello world'), 'another vector');
    },
  },
  {
    number: 26,
    title:
      "Cached tokens are the server's own count, or absent, in Responses and Messages, never a 0 that nobody counted",
    needs: ['scripted-plain'],
    async run(target) {
      const messages = [script('one')];
      const native = await post({ ...target, url: target.ollama }, '/api/chat', { ...chatBody, stream: false });
      const isCounted = (native.json as Record<string, unknown>)['prompt_eval_cached_count'] !== undefined;
      const response = await post(target, '/v1/responses', { model: 'scripted-plain', input: messages });
      equal(response.status, 200, response.problem);
      const { usage } = response.json as { usage: { input_tokens_details?: { cached_tokens?: number } } };
      equal(usage.input_tokens_details?.cached_tokens !== undefined, isCounted, 'cached_tokens in Responses');
      const message = await post(target, '/v1/messages', chatBody);
      equal(message.status, 200, message.problem);
      const { usage: counts } = message.json as { usage: { cache_read_input_tokens?: number } };
      equal(counts.cache_read_input_tokens !== undefined, isCounted, 'cache_read_input_tokens in Messages');
    },
  },
  {
    number: 27,
    title: 'Names that match a pattern of an alias stand for its model',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      await using aliased = await target.configured({ aliases: { 'claude-*': 'scripted-plain' } });
      const { status, problem } = await post(aliased, path, { ...chatBody, model: 'claude-sonnet-4-5' });
      equal(status, 200, problem);
    },
  },
  {
    number: 27,
    title: 'A `<think>` block that Ollama leaves in the content is the thinking, if the operator says so',
    beyond: true,
    needs: ['scripted-plain'],
    async run(target) {
      await using split = await target.configured({ models: [{ match: 'scripted-plain', think_tags: 'split' }] });
      const { status, json, problem } = await tryChat(split, { model: 'scripted-plain', messages: [script('think')] });
      equal(status, 200, problem);
      const [choice] = (json as { choices: { message: { content: string; reasoning_content?: string } }[] }).choices;
      ok(choice !== undefined && !choice.message.content.includes('think>'), 'the tags are in the content');
      match(choice.message.reasoning_content ?? '', /greets me/, 'no thinking');
    },
  },
  {
    number: 28,
    title: 'A forced call that `max_tokens` cuts is not returned as text',
    needs: ['scripted-tools'],
    async run(target) {
      const tool_choice = { type: 'function', function: { name: 'get_weather' } };
      const body = { model: 'scripted-tools', messages: [user('hi')], tools: bothTools, tool_choice, max_tokens: 4 };
      const [choice] = (await chat(target, body)).choices;
      equal(choice?.finish_reason, 'length', `finish_reason is ${choice?.finish_reason}`);
      ok(!/[{"]|name/.test(choice.message.content ?? ''), 'half of the call is in the content');
    },
  },
];

/** Asks for a WebSocket. @returns the status of the answer */
async function upgrade(target: Target, where: string): Promise<number | undefined> {
  const headers = {
    authorization: `Bearer ${target.key}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'aGVyb25zIHN0YW5kIQ==',
  };
  return await new Promise((resolve, reject) => {
    const asked = httpRequest(target.url + where, { headers, signal: target.signal }, (res) => {
      res.resume();
      resolve(res.statusCode);
    });
    asked.on('error', reject).end();
  });
}
