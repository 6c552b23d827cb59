import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json as readJson } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { demoResponse, isDemoModel, running, shown, tags } from './model.ts';

/** An HTTP server that speaks Ollama's API, with a model that only quotes the question. */
export interface Demo {
  readonly url: string;
  close(): Promise<void>;
}

/** The fields of requests to /api/chat, /api/generate and /api/show that the demo reads. Nothing validates their types. */
interface DemoRequest {
  readonly model?: unknown;
  readonly name?: unknown;
  readonly messages?: readonly { readonly role?: unknown; readonly content?: unknown }[];
  readonly prompt?: unknown;
  readonly stream?: unknown;
  readonly options?: { readonly num_predict?: unknown };
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Milliseconds between two words, so that a stream is visible as one. */
const wordInterval = 30;

/** Starts the demo server on a loopback port that the operating system picks. */
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
  const requested = model ?? name;
  if (!requested) return sendJson(response, 400, { error: 'model is required' });
  if (!isDemoModel(requested)) return sendJson(response, 404, notFound(requested));
  sendJson(response, 200, shown);
}

async function chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readJson(request)) as DemoRequest;
  if (!body.model) return sendJson(response, 400, { error: 'model is required' });
  const question = body.messages?.length ? questionIn(body.messages) : undefined;
  await respond(response, body, question, (content) => ({ message: { role: 'assistant', content } }));
}

/** @returns the last message of the user that is more than reminders of a coding agent, without them */
function questionIn(messages: NonNullable<DemoRequest['messages']>): unknown {
  const asked = messages.filter(({ role }) => role === 'user').map(({ content }) => content ?? '');
  return asked.map(withoutReminders).findLast((content) => content !== '') ?? asked.at(-1) ?? '';
}

function withoutReminders(content: unknown): unknown {
  if (typeof content !== 'string') return content;
  return content.replaceAll(/<system-reminder>[^]*?<\/system-reminder>/g, '').trim();
}

async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await readJson(request)) as DemoRequest;
  await respond(response, body, body.prompt || undefined, (text) => ({ response: text }));
}

/**
 * Responds to a chat or generate request, as a stream or as a whole. Stops when the client disconnects.
 *
 * @param question undefined for a request that only loads the model
 * @param textField puts text into the field that the endpoint uses for it
 */
async function respond(
  response: ServerResponse,
  { model, stream = true, options }: DemoRequest,
  question: unknown,
  textField: (text: string) => object,
): Promise<void> {
  if (!isDemoModel(model)) return sendJson(response, 404, notFound(model));
  const chunk = (text: string, rest: object): object => ({
    model,
    created_at: new Date().toISOString(),
    ...textField(text),
    ...rest,
  });
  if (question === undefined) return sendJson(response, 200, chunk('', { done: true, done_reason: 'load' }));

  const start = process.hrtime.bigint();
  const prompt = textOf(question);
  const { words, doneReason } = limitWords(demoResponse(prompt), Number(options?.num_predict ?? 0));
  if (stream) response.setHeader('Content-Type', 'application/x-ndjson');
  for (const word of words) {
    await delay(wordInterval);
    if (response.destroyed) return;
    if (stream) response.write(`${JSON.stringify(chunk(word, { done: false }))}\n`);
  }

  const elapsed = Number(process.hrtime.bigint() - start);
  const last = {
    done: true,
    done_reason: doneReason,
    total_duration: elapsed + 2,
    load_duration: 1,
    prompt_eval_count: prompt.split(/\s+/).length,
    prompt_eval_duration: 1,
    eval_count: words.length,
    eval_duration: elapsed,
  };
  if (stream) response.end(`${JSON.stringify(chunk('', last))}\n`);
  else sendJson(response, 200, chunk(words.join(''), last));
}

/** @param limit the request's `num_predict`; there is no limit when it is not a positive number */
function limitWords(words: readonly string[], limit: number): { words: readonly string[]; doneReason: string } {
  if (limit > 0 && limit < words.length) return { words: words.slice(0, limit), doneReason: 'length' };
  return { words, doneReason: 'stop' };
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
