import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import OpenAI from 'openai';
import { type TestGateway, secret, testGateway } from '../helpers/gateway.ts';
import { type FakeUpstream, fakeUpstream } from '../helpers/upstream.ts';

/** The address of the real Ollama. */
export const ollama = process.env['LLAMADUCT_TEST_OLLAMA'] ?? '';

/** The last line of a chat, or the body of one that is not streamed. */
export interface NativeChat {
  readonly message: {
    readonly content: string;
    readonly thinking?: string;
    readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: object } }[];
  };
  readonly done_reason: string;
  readonly prompt_eval_count: number;
  readonly eval_count: number;
  readonly logprobs?: readonly {
    readonly token: string;
    readonly logprob: number;
    readonly bytes: readonly number[];
  }[];
}

/** Sends a request to Ollama itself: a GET without a body. @returns its parsed response */
export async function native<T = NativeChat>(path: string, body?: object): Promise<T> {
  const response = await fetch(
    ollama + path,
    body === undefined ? {} : { method: 'POST', body: JSON.stringify({ stream: false, ...body }) },
  );
  return (await response.json()) as T;
}

/** Starts llamaduct in front of Ollama. */
export async function liveGateway(): Promise<TestGateway> {
  return await testGateway({ url: ollama });
}

/** Starts a proxy to Ollama that records requests. It adds the vision capability, which no scripted model has. */
export async function recordedOllama(): Promise<FakeUpstream> {
  return await fakeUpstream(async (res, { method, url, body }) => {
    const answer = await fetch(ollama + url, { method, ...(body !== '' && { body }) });
    res.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
    if (url === '/api/show') res.write((await answer.text()).replace('"completion"', '"completion","vision"'));
    else for await (const chunk of answer.body ?? []) res.write(chunk);
    res.end();
  });
}

/** @returns the bodies of the recorded chats */
export function chatsOf({
  requests,
}: FakeUpstream): { readonly messages: readonly { role: string; content: string }[] }[] {
  return requests
    .filter(({ url }) => url === '/api/chat')
    .map(({ body }) => JSON.parse(body) as ReturnType<typeof chatsOf>[number]);
}

/** @returns an OpenAI SDK that uses llamaduct */
export function sdk(gateway: TestGateway): OpenAI {
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: secret });
}

/** Reads a stream to its end. @returns its chunks */
export async function chunksOf<T>(stream: Promise<AsyncIterable<T>>): Promise<T[]> {
  const chunks: T[] = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

export type Reasoned<T> = T & { readonly reasoning_content?: string; readonly reasoning?: string };

/** The content of an answer, independent of its API. */
export interface Answer {
  readonly text: string;
  readonly reasoning: string;
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[];
  readonly finish: string | null | undefined;
  readonly tokens: readonly [input: number | undefined, output: number | undefined];
}

export function answerOfNative({ message, done_reason, prompt_eval_count, eval_count }: NativeChat): Answer {
  const calls = (message.tool_calls ?? []).map((call) => ({
    name: call.function.name,
    arguments: call.function.arguments,
  }));
  return {
    text: message.content,
    reasoning: message.thinking ?? '',
    calls,
    finish: calls.length > 0 && done_reason === 'stop' ? 'tool_calls' : done_reason,
    tokens: [prompt_eval_count, eval_count],
  };
}

export function answerOfCompletion({ choices: [choice], usage }: ChatCompletion): Answer {
  const message = choice?.message as Reasoned<ChatCompletion.Choice['message']>;
  return {
    text: message.content ?? '',
    reasoning: message.reasoning_content ?? '',
    calls: (message.tool_calls ?? []).map((call) => parseCall(call as { function: FunctionCall })),
    finish: choice?.finish_reason,
    tokens: [usage?.prompt_tokens, usage?.completion_tokens],
  };
}

/** @param chunks of a stream with `include_usage` */
export function answerOfChunks(chunks: readonly ChatCompletionChunk[]): Answer {
  const choices = chunks.flatMap((chunk) => chunk.choices);
  const deltas = choices.map(({ delta }) => delta as Reasoned<typeof delta>);
  const usage = chunks.at(-1)?.usage;
  return {
    text: deltas.map(({ content }) => content ?? '').join(''),
    reasoning: deltas.map((delta) => delta.reasoning_content ?? '').join(''),
    calls: deltas
      .flatMap((delta) => delta.tool_calls ?? [])
      .map((call) => parseCall(call as { function: FunctionCall })),
    finish: choices.at(-1)?.finish_reason,
    tokens: [usage?.prompt_tokens, usage?.completion_tokens],
  };
}

interface FunctionCall {
  readonly name: string;
  readonly arguments: string;
}

function parseCall({
  function: { name, arguments: json },
}: {
  readonly function: FunctionCall;
}): Answer['calls'][number] {
  return { name, arguments: JSON.parse(json) as unknown };
}

/** @returns the data of a response's SSE events, `[DONE]` included */
export async function events(response: Response): Promise<string[]> {
  const frames = (await response.text()).split('\n\n');
  return frames.filter((frame) => frame !== '').map((frame) => frame.replace(/^data: /, ''));
}

export const user = (content: string): { role: 'user'; content: string } => ({ role: 'user', content });

export const weatherTools = [
  {
    type: 'function' as const,
    function: {
      name: 'get_weather',
      description: 'Weather in a city',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, unit: { type: 'string' } },
        required: ['city'],
      },
    },
  },
  {
    type: 'function' as const,
    function: {
      name: 'get_time',
      description: 'Time in a zone',
      parameters: { type: 'object', properties: { zone: { type: 'string' } } },
    },
  },
];
