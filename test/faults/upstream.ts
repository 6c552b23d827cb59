import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Script, scriptOf } from './scripts.ts';

/** A generation request that the upstream received, and the socket on which to answer it. */
export class UpstreamRequest {
  readonly path: string;
  readonly script: Script;
  readonly socket: Socket;
  /** The body sent so far, without chunk headers. */
  readonly sent: Buffer[] = [];

  constructor(socket: Socket, path: string, streamed: boolean) {
    this.socket = socket;
    this.path = path;
    this.script = scriptOf(path, streamed);
  }

  get closed(): boolean {
    return this.socket.closed;
  }

  /** Sends the head of an answer with chunked transfer encoding. */
  async head(status = 200, headers: Record<string, string> = {}): Promise<void> {
    const fields = { 'content-type': this.script.contentType, 'transfer-encoding': 'chunked', ...headers };
    await this.raw(headOf(status, fields));
  }

  /** Sends a part of the body as one chunk. */
  async send(...parts: readonly (Buffer | string)[]): Promise<void> {
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
    this.sent.push(bytes);
    await this.raw(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]));
  }

  /** Sends the last chunk. */
  async end(): Promise<void> {
    await this.raw('0\r\n\r\n');
  }

  /** Sends a whole answer with a Content-Length. */
  async answer(status: number, body: string, headers: Record<string, string> = {}): Promise<void> {
    this.sent.push(Buffer.from(body));
    await this.raw(wholeAnswer(status, body, headers));
  }

  /** Sends bytes without any framing, and gives the reader, which runs on the same event loop, time to receive them. */
  async raw(bytes: Buffer | string): Promise<void> {
    if (this.socket.destroyed) return;
    await new Promise<void>((resolve) => {
      // A closed socket calls back, too.
      this.socket.write(bytes, () => resolve());
    });
    for (let count = 0; count < 4; count += 1) await nextTurn();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Closes the sending side of the connection, and still reads. */
  halfClose(): void {
    this.socket.end();
  }
}

export interface FaultyUpstream extends AsyncDisposable {
  readonly url: string;
  /** Answers the next generation requests. Lists of models are always served. */
  inject: (request: UpstreamRequest) => void | Promise<void>;
  /** The generation requests so far. */
  readonly requests: UpstreamRequest[];
  /** Closes the listener and all connections, so that new connections are refused. */
  refuse(): Promise<void>;
  /** Listens again on the same port. */
  accept(): Promise<void>;
}

/** Starts an upstream that writes HTTP by hand on plain sockets, so that it can break it at any byte. */
export async function faultyUpstream(): Promise<FaultyUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    // The client has closed its side.
    socket.on('end', () => socket.end());
    serve(socket, upstream);
  });
  const listen = async (port: number): Promise<void> => {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  };
  const close = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const upstream: FaultyUpstream = {
    url: `http://127.0.0.1:${port}`,
    inject: answerCompletely,
    requests: [],
    refuse: close,
    accept: async () => await listen(port),
    [Symbol.asyncDispose]: close,
  };
  return upstream;
}

/** Answers without a fault. */
export async function answerCompletely(request: UpstreamRequest): Promise<void> {
  await request.head();
  for (const part of request.script.parts) await request.send(part);
  await request.end();
}

function serve(socket: Socket, upstream: FaultyUpstream): void {
  let received = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    for (let next = nextRequest(received); next !== undefined; next = nextRequest(received)) {
      received = next.rest;
      const { method, path, body } = next;
      const list = method === 'GET' ? lists[path] : path === '/api/show' ? {} : undefined;
      if (list !== undefined) {
        socket.write(wholeAnswer(200, JSON.stringify(list)));
        continue;
      }
      const streamed = (JSON.parse(body) as { stream?: boolean }).stream ?? path.startsWith('/api/');
      const request = new UpstreamRequest(socket, path, streamed);
      upstream.requests.push(request);
      void upstream.inject(request);
    }
  });
}

const model = 'scripted-plain:latest';
const lists: Record<string, object> = {
  '/api/tags': { models: [{ name: model, model, modified_at: '2026-11-21T03:56:00Z' }] },
  '/api/ps': { models: [] },
  '/v1/models': { object: 'list', data: [{ id: model, object: 'model', created: 1795233600, owned_by: 'test' }] },
};

interface ParsedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly rest: Buffer<ArrayBuffer>;
}

/** @returns the first complete request in `received`. Undici gives every body a Content-Length. */
function nextRequest(received: Buffer<ArrayBuffer>): ParsedRequest | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = received.toString('latin1', 0, end);
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  const total = end + 4 + length;
  if (received.length < total) return undefined;
  const [method = '', path = ''] = head.split(' ', 2);
  return { method, path, body: received.toString('utf8', end + 4, total), rest: received.subarray(total) };
}

function headOf(status: number, headers: Record<string, string>): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${fields.join('')}\r\n`;
}

function wholeAnswer(status: number, body: string, headers: Record<string, string> = {}): string {
  const length = String(Buffer.byteLength(body));
  return headOf(status, { 'content-type': 'application/json', 'content-length': length, ...headers }) + body;
}
