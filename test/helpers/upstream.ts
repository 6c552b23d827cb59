import { type IncomingMessage, type RequestListener, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface FakeUpstream extends AsyncDisposable {
  readonly url: string;
  /** What it was asked, besides the model list that llamaduct asks for by itself. */
  readonly requests: SeenRequest[];
  /** Answers begun and neither ended nor cut off. */
  readonly open: number;
}

/** How a request is answered. */
export type Answer = (res: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** An upstream on a real socket that lists `models` and gives every other request to `answer`. */
export async function fakeUpstream(
  answer: Answer,
  models: readonly string[] = ['scripted-plain:latest'],
): Promise<FakeUpstream> {
  const requests: SeenRequest[] = [];
  let open = 0;
  const listener: RequestListener = (req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => {
      const { method = '', url = '', headers } = req;
      const request = { method, url, headers, body: Buffer.concat(pieces).toString('utf8') };
      if (url === '/api/tags' && method === 'GET') {
        res.setHeader('content-type', 'application/json; charset=utf-8');
        res.end(
          JSON.stringify({
            models: models.map((name) => ({ name, model: name, modified_at: '2026-11-21T03:56:00Z' })),
          }),
        );
        return;
      }
      requests.push(request);
      open += 1;
      res.once('close', () => {
        open -= 1;
      });
      void answer(res, request);
    });
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get open() {
      return open;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** Begins a stream as Ollama does: status and headers go out with the first line. */
export function ndjson(res: ServerResponse): ServerResponse {
  return res.writeHead(200, { 'content-type': 'application/x-ndjson' });
}

/** A line of an answer to `/api/chat`. */
export function chatLine(content: string, rest: object = {}): string {
  const message = { role: 'assistant', content };
  return `${JSON.stringify({ model: 'scripted-plain', created_at: '2026-11-21T03:56:01.6Z', message, done: false, ...rest })}\n`;
}

/** The last line of an answer to `/api/chat`. */
export function doneLine(rest: object = {}): string {
  return chatLine('', {
    done: true,
    done_reason: 'stop',
    total_duration: 86028111,
    load_duration: 5421892,
    prompt_eval_count: 46,
    prompt_eval_duration: 890354,
    eval_count: 44,
    eval_duration: 75547348,
    ...rest,
  });
}

/** Answers with a few words and a done line. */
export function plainAnswer(words: readonly string[] = ['Hello', ' there', '!']): Answer {
  return (res) => {
    ndjson(res);
    for (const word of words) res.write(chatLine(word));
    res.end(doneLine());
  };
}
