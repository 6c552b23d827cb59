import { equal } from 'node:assert/strict';
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Completion } from 'openai/resources/completions';
import type { Target } from './target.ts';

type Asked = Pick<Target, 'url' | 'key' | 'signal'>;

/** One answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the text is not JSON. */
  readonly json: unknown;
  readonly error: Partial<ApiError>;
  /** Why it is not the answer that was hoped for, in a few words. */
  readonly problem: string;
}

export interface ApiError {
  readonly message: string;
  readonly code: string | null;
  readonly param: string | null;
}

/** @param body absent for a request without one */
export async function request(target: Asked, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(target.url + path, {
    method,
    signal: target.signal,
    headers: { authorization: `Bearer ${target.key}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = parsed(text);
  const error = (json as { error?: Partial<ApiError> } | null | undefined)?.error ?? {};
  const problem = `HTTP ${response.status}: ${(error.message ?? text.slice(0, 80)).replaceAll(/\s+/g, ' ')}`;
  return { status: response.status, headers: response.headers, text, json, error, problem };
}

export async function post(target: Asked, path: string, body: object): Promise<Answer> {
  return await request(target, 'POST', path, body);
}

/** A chat, as it was answered: whatever its status. */
export async function tryChat(target: Asked, body: object): Promise<Answer> {
  return await post(target, '/v1/chat/completions', body);
}

/** A chat in one piece. @throws {AssertionError} when it is refused */
export async function chat(target: Asked, body: object): Promise<ChatCompletion> {
  return await succeed<ChatCompletion>(target, '/v1/chat/completions', body);
}

/** A completion in one piece. @throws {AssertionError} when it is refused */
export async function completion(target: Asked, body: object): Promise<Completion> {
  return await succeed<Completion>(target, '/v1/completions', body);
}

async function succeed<T>(target: Asked, path: string, body: object): Promise<T> {
  const { status, json, problem } = await post(target, path, body);
  equal(status, 200, problem);
  return json as T;
}

/** A stream, read to its end. */
export interface Stream<Chunk> {
  readonly chunks: readonly Chunk[];
  /** The error that it held. */
  readonly error: ApiError | undefined;
  /** Whether it said that it was whole. */
  readonly done: boolean;
}

/** A chat as a stream. @throws {AssertionError} when it is refused */
export async function chatStream(target: Asked, body: object): Promise<Stream<ChatCompletionChunk>> {
  return await stream(target, '/v1/chat/completions', body);
}

/** A completion as a stream. @throws {AssertionError} when it is refused */
export async function completionStream(target: Asked, body: object): Promise<Stream<Completion>> {
  return await stream(target, '/v1/completions', body);
}

async function stream<Chunk>(target: Asked, path: string, body: object): Promise<Stream<Chunk>> {
  const { status, text, problem } = await post(target, path, { ...body, stream: true });
  equal(status, 200, problem);
  // By line feeds alone: a text may hold other ends of lines.
  const data = text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice('data: '.length)] : []));
  const events = data.filter((item) => item !== '[DONE]').map((item) => parsed(item) as Chunk & { error?: ApiError });
  return {
    chunks: events.filter((event) => event.error === undefined),
    error: events.find((event) => event.error !== undefined)?.error,
    done: data.includes('[DONE]'),
  };
}

/** What a model is told. */
export function user(content: unknown): { role: 'user'; content: unknown } {
  return { role: 'user', content };
}

/** Makes a scripted model run this script instead of its own. */
export function script(name: string): { role: 'user'; content: unknown } {
  return user(`<|s:${name}|>`);
}

/** Runs `ask` so often, two at a time: more make a small machine slower. */
export async function times<T>(count: number, ask: (run: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 0; run < count; run += 2) {
    results.push(...(await Promise.all(run + 1 < count ? [ask(run), ask(run + 1)] : [ask(run)])));
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
