import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendJson } from '../answers.ts';
import { type Fields, readStruct } from './go-json.ts';
import { textFor } from '../ollama-answers.ts';
import { ollamaModel } from './ollama-name.ts';
import { FakeUpstream, type SeenRequest, ollamaApi } from '../upstream.ts';

/** What its model `secret` says, shows and embeds; no other model does. */
export const secretText = 'SECRET';
const secretVector = [0.5, 0.25, 0.125];
/** What every model of {@link FaithfulScript.thinking} thinks. */
export const thought = 'a private thought';

const installed = ['plain:latest', 'secret:latest', 'tiny:latest', 'vector:latest', 'scripted-plain:latest'];

/** A request that a model has run, or would have run, in terms of the real Ollama. */
export interface Run {
  readonly path: string;
  /** The installed model that the request means. */
  readonly model: string | undefined;
  readonly fields: Fields;
  /** Characters of the request's body. */
  readonly size: number;
  /** Tokens generated so far. */
  produced: number;
}

export interface FaithfulScript {
  /** Tokens of an answer, unless num_predict is less. */
  readonly tokens?: number;
  /** Tokens a second; absent: all at once. */
  readonly perSecond?: number;
  /** True: no model ever answers. */
  readonly hangs?: boolean;
  /** True: every answer of /api/chat and /api/generate begins with {@link thought}. */
  readonly thinking?: boolean;
  /** Answers instead of a model. @returns false to let the model answer */
  readonly answer?: (res: ServerResponse, run: Run, body: string) => boolean;
}

/** @returns the installed model that a name means */
function resolveModel(name: string): string | undefined {
  const meant = ollamaModel(name);
  return meant === undefined ? undefined : installed.find((model) => ollamaModel(model) === meant);
}

const structFields = ['model', 'name', 'options', 'stream', 'think', 'keep_alive', 'format', 'input'];

function read(body: string): Fields {
  // Larger bodies are not those that try to be read in two ways, and would keep the tests' own process busy.
  if (body.length > 4 * 1024 * 1024) return { model: /"model":"(\w+)"/.exec(body.slice(0, 1000))?.[1] };
  return readStruct(body, structFields, ['options']);
}

/** An Ollama that reads requests and finds models as the real one does. */
export class FaithfulOllama implements AsyncDisposable {
  readonly runs: Run[] = [];
  readonly #upstream: FakeUpstream;
  readonly #script: FaithfulScript;

  constructor(script: FaithfulScript = {}) {
    this.#script = script;
    this.#upstream = new FakeUpstream(ollamaApi, (res, request) => this.#respond(res, request), installed);
  }

  async listen(): Promise<this> {
    await this.#upstream.listen();
    return this;
  }

  /** Requests other than those for the list of models, in order of arrival. */
  get requests(): readonly SeenRequest[] {
    return this.#upstream.requests;
  }

  /** Number of answers that have neither ended nor been cut off. */
  get open(): number {
    return this.#upstream.open;
  }

  /** Forgets every request so far. */
  forget(): void {
    this.runs.length = 0;
    this.#upstream.requests.length = 0;
  }

  get url(): string {
    return this.#upstream.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream[Symbol.asyncDispose]();
  }

  #respond(res: ServerResponse, { method, url, body }: SeenRequest): void {
    res.on('error', () => undefined);
    if (method !== 'POST') return sendJson(res, 200, { version: '0.34.0', models: [] });
    let fields: Fields;
    try {
      fields = read(body);
    } catch (error) {
      return sendJson(res, 400, { error: (error as Error).message });
    }
    const name = fields['model'] ?? (url === '/api/show' ? fields['name'] : undefined);
    const model = typeof name === 'string' ? resolveModel(name) : undefined;
    const run = { path: url, model, fields, size: body.length, produced: 0 };
    this.runs.push(run);
    if (this.#script.answer?.(res, run, body) === true) return;
    if (typeof name !== 'string') return sendJson(res, 400, { error: 'model is required' });
    if (model === undefined) return sendJson(res, 404, { error: 'model not found' });
    if (url === '/api/show') return sendJson(res, 200, show(model));
    if (this.#script.hangs === true) return;
    if (url === '/api/embed' || url === '/api/embeddings') return embed(res, run);
    void this.#generate(res, run);
  }

  async #generate(res: ServerResponse, run: Run): Promise<void> {
    const { tokens = 3, perSecond, thinking } = this.#script;
    const { num_predict: limit } = (run.fields['options'] ?? {}) as { readonly num_predict?: number };
    const most = run.fields['format'] === undefined ? tokens : 1;
    const total = limit !== undefined && limit >= 0 ? Math.min(limit, most) : most;
    const format = run.fields['format'];
    const word = run.model === 'secret:latest' ? `${secretText} ` : format === undefined ? 'heron ' : textFor(format);
    const streamed = run.fields['stream'] !== false;
    const begin = (): unknown => res.headersSent || res.writeHead(200, { 'content-type': 'application/x-ndjson' });
    if (streamed && thinking === true) {
      begin();
      res.write(line(run, '', { thinking: thought }));
    }
    while (run.produced < total && !res.destroyed) {
      run.produced += 1;
      if (streamed) {
        begin();
        res.write(line(run, word));
      }
      if (perSecond !== undefined) await sleep(1000 / perSecond);
    }
    const counts = { done: true, done_reason: 'stop', prompt_eval_count: 5, eval_count: run.produced };
    const whole = streamed
      ? {}
      : { content: word.repeat(run.produced), ...(thinking === true && { thinking: thought }) };
    if (!res.headersSent) res.writeHead(200, { 'content-type': 'application/json' });
    res.end(line(run, '', whole, counts));
  }
}

function line({ path, fields }: Run, content: string, parts: object = {}, rest: object = { done: false }): string {
  const { content: text, ...others } = { content, ...parts };
  const output =
    path === '/api/generate'
      ? { response: text, ...others }
      : { message: { role: 'assistant', content: text, ...others } };
  return `${JSON.stringify({ model: fields['model'], created_at: '2026-11-21T03:56:01.6Z', ...output, ...rest })}\n`;
}

function show(model: string): object {
  return {
    license: model === 'secret:latest' ? secretText : '',
    capabilities: model === 'vector:latest' ? ['embedding'] : ['completion', 'tools', 'thinking'],
    details: { family: 'llama' },
    model_info: { 'general.architecture': 'llama', 'llama.context_length': 131_072 },
  };
}

function embed(res: ServerResponse, { path, model, fields }: Run): void {
  const vector = model === 'secret:latest' ? secretVector : [0.6, 0.8];
  const { input } = fields;
  const embeddings = Array.isArray(input) ? input.map(() => vector) : [vector];
  sendJson(res, 200, path === '/api/embed' ? { model, embeddings, prompt_eval_count: 2 } : { embedding: vector });
}

/** True if a response contains what only the model `secret` says, shows or embeds. */
export function showsSecret(text: string): boolean {
  return text.includes(secretText) || text.includes('0.25,0.125');
}

/** Starts an {@link FaithfulOllama}. */
export async function faithfulOllama(script?: FaithfulScript): Promise<FaithfulOllama> {
  return await new FaithfulOllama(script).listen();
}
