import { equal } from 'node:assert/strict';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Completion } from 'openai/resources/completions';
import type { Target } from './target.ts';

type Server = Pick<Target, 'url' | 'key' | 'signal'>;

/** A response, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: unknown;
  readonly error: Partial<ApiError>;
  /** The status and the beginning of the error, for the message of a failed check. */
  readonly problem: string;
}

export interface ApiError {
  readonly message: string;
  readonly code: string | null;
  readonly param: string | null;
}

/** @param body absent for a request without one */
export async function request(target: Server, method: string, path: string, body?: object): Promise<Answer> {
  return await send(target, path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
}

/** Posts bytes with more headers than every request has; an `authorization` of '' leaves it out. */
export async function postBytes(
  target: Server,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<Answer> {
  return await send(target, path, { method: 'POST', headers, body: new Uint8Array(body) });
}

async function send(target: Server, path: string, { headers: more, ...init }: RequestInit): Promise<Answer> {
  const headers = new Headers({ authorization: `Bearer ${target.key}`, 'content-type': 'application/json' });
  for (const [name, value] of new Headers(more)) {
    if (value === '') headers.delete(name);
    else headers.set(name, value);
  }
  const response = await fetch(target.url + path, { ...init, headers, signal: target.signal });
  const text = await response.text();
  const json = parsed(text);
  const error = (json as { error?: Partial<ApiError> } | null | undefined)?.error ?? {};
  const problem = `HTTP ${response.status}: ${(error.message ?? text.slice(0, 80)).replaceAll(/\s+/g, ' ')}`;
  return { status: response.status, headers: response.headers, text, json, error, problem };
}

export async function post(target: Server, path: string, body: object): Promise<Answer> {
  return await request(target, 'POST', path, body);
}

/** Sends a chat. @returns the response, whatever its status */
export async function tryChat(target: Server, body: object): Promise<Answer> {
  return await post(target, '/v1/chat/completions', body);
}

/** Sends a chat that is not streamed. @throws {AssertionError} when its status is not 200 */
export async function chat(target: Server, body: object): Promise<ChatCompletion> {
  return await succeed<ChatCompletion>(target, '/v1/chat/completions', body);
}

/** Sends a completion that is not streamed. @throws {AssertionError} when its status is not 200 */
export async function completion(target: Server, body: object): Promise<Completion> {
  return await succeed<Completion>(target, '/v1/completions', body);
}

async function succeed<T>(target: Server, path: string, body: object): Promise<T> {
  const { status, json, problem } = await post(target, path, body);
  equal(status, 200, problem);
  return json as T;
}

/** A stream, read to its end. */
export interface Stream<Chunk> {
  readonly chunks: readonly Chunk[];
  /** The error event, if any. */
  readonly error: ApiError | undefined;
  /** True when it ended in `[DONE]`. */
  readonly done: boolean;
}

/** Sends a streamed chat. @throws {AssertionError} when its status is not 200 */
export async function chatStream(target: Server, body: object): Promise<Stream<ChatCompletionChunk>> {
  return await stream(target, '/v1/chat/completions', body);
}

/** Sends a streamed completion. @throws {AssertionError} when its status is not 200 */
export async function completionStream(target: Server, body: object): Promise<Stream<Completion>> {
  return await stream(target, '/v1/completions', body);
}

async function stream<Chunk>(target: Server, path: string, body: object): Promise<Stream<Chunk>> {
  const { status, text, problem } = await post(target, path, { ...body, stream: true });
  equal(status, 200, problem);
  // Only line feeds end a line: a text may hold other line separators.
  const data = text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice('data: '.length)] : []));
  const events = data.filter((item) => item !== '[DONE]').map((item) => parsed(item) as Chunk & { error?: ApiError });
  return {
    chunks: events.filter((event) => event.error === undefined),
    error: events.find((event) => event.error !== undefined)?.error,
    done: data.includes('[DONE]'),
  };
}

/** @returns a user message */
export function user(content: unknown): { role: 'user'; content: unknown } {
  return { role: 'user', content };
}

/** @returns a user message that makes a scripted model run this script instead of its own */
export function script(name: string): { role: 'user'; content: unknown } {
  return user(`<|s:${name}|>`);
}

/** Calls `send` `count` times, two at a time: more would make a small machine slower. @returns the results in order */
export async function times<T>(count: number, send: (run: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 0; run < count; run += 2) {
    results.push(...(await Promise.all(run + 1 < count ? [send(run), send(run + 1)] : [send(run)])));
  }
  return results;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
