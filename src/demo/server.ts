import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { demoAnswer, isDemoModel, running, shown, tags } from './model.ts';

/** A stand-in for Ollama: its wire format over real HTTP, with a model that is none. */
export interface Demo {
  readonly url: string;
  close(): Promise<void>;
}

/** What a request to /api/chat, /api/generate or /api/show may hold, as far as it is looked at. */
interface DemoRequest {
  readonly model?: unknown;
  readonly name?: unknown;
  readonly messages?: readonly { readonly role?: unknown; readonly content?: unknown }[];
  readonly prompt?: unknown;
  readonly stream?: unknown;
  readonly options?: { readonly num_predict?: unknown };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const millisecondsPerWord = 30;

/** Starts the stand-in on a loopback port that the system chooses. */
export async function startDemo(): Promise<Demo> {
  const server = createServer((request, response) => {
    route(request)(request, response)?.catch((error: unknown) => {
      if (!response.headersSent)
        sendJson(response, 400, { error: error instanceof Error ? error.message : 'bad request' });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const routes: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly handle: Handler }>> = {
  '/': {
    method: 'GET',
    handle: (_, response) => sendText(response, 200, 'Ollama is running', 'text/plain; charset=utf-8'),
  },
  '/api/version': { method: 'GET', handle: (_, response) => sendJson(response, 200, { version: '0.0.0-demo' }) },
  '/api/tags': { method: 'GET', handle: (_, response) => sendJson(response, 200, tags) },
  '/api/ps': { method: 'GET', handle: (_, response) => sendJson(response, 200, running) },
  '/api/show': { method: 'POST', handle: show },
  '/api/chat': { method: 'POST', handle: chat },
  '/api/generate': { method: 'POST', handle: generate },
};

function route(request: IncomingMessage): Handler {
  const found = routes[(request.url ?? '/').replace(/\?.*/s, '')];
  if (found === undefined) return (_, response) => sendText(response, 404, '404 page not found');
  const { method, handle } = found;
  if (request.method === method || (method === 'GET' && request.method === 'HEAD')) return handle;
  return (_, response) => {
    response.setHeader('Allow', method === 'GET' ? 'HEAD, GET' : method);
    sendText(response, 405, '405 method not allowed');
  };
}

async function show(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { model, name } = (await readJson(request)) as DemoRequest;
  const wanted = model ?? name;
  if (!wanted) return sendJson(response, 400, { error: 'model is required' });
  if (!isDemoModel(wanted)) return sendJson(response, 404, notFound(wanted));
  sendJson(response, 200, shown);
}

async function chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readJson(request)) as DemoRequest;
  if (!body.model) return sendJson(response, 400, { error: 'model is required' });
  const question = body.messages?.length
    ? (body.messages.findLast(({ role }) => role === 'user')?.content ?? '')
    : undefined;
  await answer(response, body, question, (content) => ({ message: { role: 'assistant', content } }));
}

async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readJson(request)) as DemoRequest;
  await answer(response, body, body.prompt || undefined, (text) => ({ response: text }));
}

/** Answers a chat or a generate; `piece` is what the two carry text in. A client that leaves stops it. */
async function answer(
  response: ServerResponse,
  body: DemoRequest,
  question: unknown,
  piece: (text: string) => object,
): Promise<void> {
  const { model, stream = true } = body;
  if (!isDemoModel(model)) return sendJson(response, 404, notFound(model));
  const line = (text: string, rest: object) => ({
    model,
    created_at: new Date().toISOString(),
    ...piece(text),
    ...rest,
  });
  // A request without a question only loads the model.
  if (question === undefined) return sendJson(response, 200, line('', { done: true, done_reason: 'load' }));

  const start = process.hrtime.bigint();
  const prompt = textOf(question);
  const all = demoAnswer(prompt);
  const limit = Number(body.options?.num_predict ?? 0);
  const words = limit > 0 ? all.slice(0, limit) : all;
  if (stream) response.setHeader('Content-Type', 'application/x-ndjson');
  for (const word of words) {
    await delay(millisecondsPerWord);
    if (response.destroyed) return;
    if (stream) response.write(`${JSON.stringify(line(word, { done: false }))}\n`);
  }

  const elapsed = Number(process.hrtime.bigint() - start);
  const done = {
    done: true,
    done_reason: words.length < all.length ? 'length' : 'stop',
    total_duration: elapsed + 2,
    load_duration: 1,
    prompt_eval_count: prompt.split(/\s+/).length,
    prompt_eval_duration: 1,
    eval_count: words.length,
    eval_duration: elapsed,
  };
  if (stream) response.end(`${JSON.stringify(line('', done))}\n`);
  else sendJson(response, 200, line(words.join(''), done));
}

function notFound(model: unknown): object {
  return { error: `model '${textOf(model ?? '')}' not found` };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, JSON.stringify(body), 'application/json; charset=utf-8');
}

function sendText(response: ServerResponse, status: number, body: string, type = 'text/plain'): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
