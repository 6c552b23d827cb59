import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendJson, silent } from './answers.ts';
import { openaiError } from './openai-answers.ts';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers one request. */
export type Answer = (res: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** The parts of the fake that differ between the two APIs. */
export interface Api {
  readonly prefix: '' | '/v1';
  /** Listed where a test names no others. */
  readonly models: readonly string[];
  readonly isList: (request: SeenRequest) => boolean;
  readonly listOf: (models: readonly string[]) => Answer;
}

export const ollamaApi: Api = {
  prefix: '',
  models: ['scripted-plain:latest'],
  isList: ({ method, url }) => method === 'GET' && url === '/api/tags',
  listOf: (names) => (res) => {
    const models = names.map((name) => ({ name, model: name, modified_at: '2026-11-21T03:56:00Z' }));
    res.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify({ models }));
  },
};

const openaiApi: Api = {
  prefix: '/v1',
  models: ['scripted'],
  isList: ({ method }) => method === 'GET',
  listOf: (names) => {
    const data = names.map((id) => ({ id, object: 'model', created: 1795233600, owned_by: 'test' }));
    return (res, { url }) => {
      if (url === '/v1/models') sendJson(res, 200, { object: 'list', data });
      else sendJson(res, 404, openaiError('Not found.'));
    };
  },
};

/** An Ollama or OpenAI-compatible server on a real socket, whose answers a test scripts. */
export class FakeUpstream implements AsyncDisposable {
  /** Answers requests for lists: GET /api/tags of Ollama, every GET of an OpenAI-compatible server. */
  list: Answer;
  /** Answers all other requests. */
  answer: Answer;
  /** Requests that {@link answer} received, in order of arrival. */
  readonly requests: SeenRequest[] = [];
  /** Requests that {@link list} received, in order of arrival. */
  readonly lists: SeenRequest[] = [];
  /** Base URL as a configuration has it: with `/v1` for an OpenAI-compatible server. Empty until it listens. */
  url = '';
  #open = 0;
  readonly #api: Api;
  readonly #server: Server;

  constructor(api: Api, answer: Answer, models: readonly string[] = api.models) {
    this.#api = api;
    this.answer = answer;
    this.list = api.listOf(models);
    this.#server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const { method = '', url = '', headers } = req;
        this.#respond(res, { method, url, headers, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
  }

  /** Number of answers by {@link answer} that have neither ended nor been cut off. */
  get open(): number {
    return this.#open;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = this.#server.address() as AddressInfo;
    this.url = `http://127.0.0.1:${port}${this.#api.prefix}`;
    return this;
  }

  /** Closes the server and all its connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #respond(res: ServerResponse, request: SeenRequest): void {
    if (this.#api.isList(request)) {
      this.lists.push(request);
      void this.list(res, request);
      return;
    }
    this.requests.push(request);
    this.#open += 1;
    res.once('close', () => {
      this.#open -= 1;
    });
    void this.answer(res, request);
  }
}

/** Starts an Ollama that lists `models` and passes every other request to `answer`. */
export async function fakeUpstream(answer: Answer, models?: readonly string[]): Promise<FakeUpstream> {
  return await new FakeUpstream(ollamaApi, answer, models).listen();
}

/** Starts an OpenAI-compatible server that lists `models` and passes every POST to `answer`. */
export async function openaiUpstream(answer: Answer, models?: readonly string[]): Promise<FakeUpstream> {
  return await new FakeUpstream(openaiApi, answer, models).listen();
}

/** The address of an upstream that has just stopped: nothing listens there. */
export async function stoppedUpstream(): Promise<Pick<FakeUpstream, 'url'>> {
  await using stopped = await fakeUpstream(silent);
  return { url: stopped.url };
}
