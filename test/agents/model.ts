import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// A model whose answers a test decides, behind Ollama's API (https://github.com/ollama/ollama/blob/main/docs/api.md).

/** The name of the model in all recipes. */
export const modelName = 'qwen3-coder';

export interface ToolCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Message {
  readonly role: string;
  readonly content?: string;
  /** Base64. */
  readonly images?: readonly string[];
  readonly tool_calls?: readonly { function: ToolCall }[];
}

export interface ChatRequest {
  readonly model?: string;
  readonly messages?: readonly Message[];
  readonly tools?: readonly unknown[];
  readonly stream?: boolean;
}

export interface Answer {
  readonly text?: string;
  readonly calls?: readonly ToolCall[];
  /** Milliseconds of silence before the first byte. */
  readonly delay?: number;
  /** Refuses the request with a 400 and this text. */
  readonly refusal?: string;
}

export interface Model {
  readonly url: string;
  /** Every chat request, in the order of arrival. */
  readonly requests: ChatRequest[];
  /** Decides the answers from now on. */
  script: (request: ChatRequest) => Answer;
  close(): void;
}

const details = {
  format: 'gguf',
  family: 'qwen3',
  families: ['qwen3'],
  parameter_size: '30B',
  quantization_level: 'Q4_0',
};
const listed = {
  name: `${modelName}:latest`,
  model: `${modelName}:latest`,
  modified_at: '2026-01-01T00:00:00Z',
  size: 1,
  digest: '0'.repeat(64),
  details,
};
const shown = {
  capabilities: ['completion', 'tools', 'vision'],
  details,
  model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': 262_144 },
  template: '{{ .Prompt }}',
  parameters: '',
};

async function chat(request: ChatRequest, answer: Answer, response: ServerResponse): Promise<void> {
  // The timer keeps no process alive.
  if (answer.delay !== undefined) await sleep(answer.delay, undefined, { ref: false });
  if (response.destroyed) return;
  const calls = (answer.calls ?? []).map((call) => ({ function: call }));
  const message = { role: 'assistant', content: answer.text ?? '', ...(calls.length > 0 && { tool_calls: calls }) };
  const head = { model: request.model, created_at: new Date().toISOString() };
  const end = {
    done: true,
    done_reason: 'stop',
    total_duration: 2e8,
    load_duration: 1e6,
    prompt_eval_count: Math.ceil(JSON.stringify(request).length / 4),
    prompt_eval_duration: 1e8,
    eval_count: 5,
    eval_duration: 1e8,
  };
  const lines =
    request.stream === false
      ? [{ ...head, message, ...end }]
      : [
          { ...head, message, done: false },
          { ...head, message: { role: 'assistant', content: '' }, ...end },
        ];
  response.writeHead(200, { 'content-type': request.stream === false ? 'application/json' : 'application/x-ndjson' });
  response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

async function bodyOf(request: IncomingMessage): Promise<ChatRequest> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text === '' ? {} : (JSON.parse(text) as ChatRequest);
}

/** Starts it on a free port of loopback. */
export async function startModel(): Promise<Model> {
  const requests: ChatRequest[] = [];
  const server = createServer((request, response) => {
    const json = (value: unknown, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    const serve = async (): Promise<void> => {
      const body = await bodyOf(request);
      if (request.url === '/') return void response.end('Ollama is running');
      if (request.url === '/api/version') return json({ version: '0.17.4' });
      if (request.url === '/api/tags') return json({ models: [listed] });
      if (request.url === '/api/ps') return json({ models: [] });
      if (request.url === '/api/show') return json(shown);
      if (request.url !== '/api/chat') return json({ error: 'not found' }, 404);
      if (!/^qwen3-coder(:latest)?$/.test(body.model ?? ''))
        return json({ error: `model '${body.model}' not found` }, 404);
      requests.push(body);
      const answer = model.script(body);
      if (answer.refusal !== undefined) return json({ error: answer.refusal }, 400);
      await chat(body, answer, response);
    };
    serve().catch((error: unknown) => {
      if (!response.headersSent) json({ error: String(error) }, 500);
      else response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const model: Model = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    script: () => ({ text: 'No script.' }),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return model;
}
