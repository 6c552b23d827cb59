import { type TestContext, mock } from 'node:test';
import { hashSecret } from '../../src/config/secret.ts';
import { secret } from '../helpers/gateway.ts';
import { sendJson } from '../helpers/answers.ts';
import { chatLine, doneLine, ndjson } from '../helpers/ollama-answers.ts';
import type { Answer } from '../helpers/upstream.ts';

/** Ten seconds into a minute, twelve hours into a day. */
export const noon = Date.UTC(2026, 10, 21, 12, 0, 10);

/** Stops the clock at noon, so that no minute ends during a test. @returns a function that advances it by milliseconds */
export function clock(context: TestContext): (milliseconds: number) => void {
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date'], now: noon });
  context.after(() => mock.timers.reset());
  return (milliseconds) => mock.timers.tick(milliseconds);
}

/** The default key of the tests, with all scopes. */
export const tester = { name: 'tester', hash: hashSecret(secret), scopes: ['inference', 'admin', 'metrics'] };

/** The configuration of a key whose secret is its name. */
export function keyOf(name: string, rest: object = {}): object {
  return { name, hash: hashSecret(name), ...rest };
}

/** @param key its secret. @returns the options of a POST */
export function posted(body: object, key: string, init: RequestInit = {}): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), ...init, headers: { authorization: `Bearer ${key}` } };
}

type Dialect = 'openai' | 'anthropic' | 'ollama';

export interface Endpoint {
  readonly path: string;
  readonly dialect: Dialect;
  readonly body: Readonly<Record<string, unknown>>;
  /** True if answers can be streamed. */
  readonly streams: boolean;
}

const model = 'scripted-plain:latest';
const messages = [{ role: 'user', content: 'hi' }];

/** All endpoints that run a model. */
export const endpoints: readonly Endpoint[] = [
  { path: '/v1/chat/completions', dialect: 'openai', body: { model, messages }, streams: true },
  { path: '/v1/completions', dialect: 'openai', body: { model, prompt: 'hi' }, streams: true },
  { path: '/v1/responses', dialect: 'openai', body: { model, input: 'hi' }, streams: true },
  { path: '/v1/embeddings', dialect: 'openai', body: { model, input: 'hi' }, streams: false },
  { path: '/v1/messages', dialect: 'anthropic', body: { model, messages, max_tokens: 16 }, streams: true },
  { path: '/v1/messages/count_tokens', dialect: 'anthropic', body: { model, messages }, streams: false },
  { path: '/api/chat', dialect: 'ollama', body: { model, messages }, streams: true },
  { path: '/api/generate', dialect: 'ollama', body: { model, prompt: 'hi' }, streams: true },
  { path: '/api/embed', dialect: 'ollama', body: { model, input: 'hi' }, streams: false },
  { path: '/api/embeddings', dialect: 'ollama', body: { model, prompt: 'hi' }, streams: false },
];

/** An Ollama that reports these token counts for every request. */
export function counting(prompt: number, answer: number): Answer {
  const counts = { prompt_eval_count: prompt, eval_count: answer };
  return (res, { url, body }) => {
    const request = JSON.parse(body) as { stream?: boolean };
    if (url === '/api/embed') {
      return sendJson(res, 200, { model, embeddings: [[1, 0]], total_duration: 1, prompt_eval_count: prompt });
    }
    if (request.stream === false) return void ndjson(res).end(doneLine({ ...counts, message: assistant('Hello') }));
    ndjson(res).write(chatLine('Hello'));
    res.end(doneLine(counts));
    return undefined;
  };
}

function assistant(content: string): object {
  return { role: 'assistant', content };
}
