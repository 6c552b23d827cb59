import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Script, scriptOf } from './scripts.ts';

/** One request to the upstream that a model would run for, and the socket to answer it on. */
export class Wire {
  readonly path: string;
  readonly script: Script;
  readonly socket: Socket;
  /** The body sent so far, without its framing. */
  readonly sent: Buffer[] = [];

  constructor(socket: Socket, path: string, streamed: boolean) {
    this.socket = socket;
    this.path = path;
    this.script = scriptOf(path, streamed);
  }

  get closed(): boolean {
    return this.socket.closed;
  }

  /** Begins an answer in chunks. */
  async head(status = 200, headers: Record<string, string> = {}): Promise<void> {
    const fields = { 'content-type': this.script.contentType, 'transfer-encoding': 'chunked', ...headers };
    await this.raw(headOf(status, fields));
  }

  /** Sends a piece of the body as a chunk. */
  async send(...pieces: readonly (Buffer | string)[]): Promise<void> {
    const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
    this.sent.push(bytes);
    await this.raw(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]));
  }

  /** Ends an answer in chunks as HTTP wants it. */
  async end(): Promise<void> {
    await this.raw('0\r\n\r\n');
  }

  /** An answer with a length. */
  async answer(status: number, body: string, headers: Record<string, string> = {}): Promise<void> {
    this.sent.push(Buffer.from(body));
    await this.raw(wholeAnswer(status, body, headers));
  }

  /** Sends bytes as they are, and lets the reader have them: it runs on the same loop. */
  async raw(bytes: Buffer | string): Promise<void> {
    if (this.socket.destroyed) return;
    await new Promise<void>((resolve) => {
      // A socket that is closed calls back as well.
      this.socket.write(bytes, () => resolve());
    });
    for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Says that nothing more will come, and still listens. */
  halfClose(): void {
    this.socket.end();
  }
}

export interface FaultyUpstream extends AsyncDisposable {
  readonly url: string;
  /** What becomes of the next requests that a model would run for. Lists of models are always served. */
  inject: (wire: Wire) => void | Promise<void>;
  /** The requests that a model would run for, so far. */
  readonly wires: Wire[];
  /** Listens no more, and has no connections: who connects is refused. */
  refuse(): Promise<void>;
  /** Listens again, at the same address. */
  accept(): Promise<void>;
}

/** An upstream that writes HTTP by hand on plain sockets, so that it can break it at any byte. */
export async function faultyUpstream(): Promise<FaultyUpstream> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    // Whoever it serves has left.
    socket.on('end', () => socket.end());
    void serve(socket, upstream);
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
    inject: wholly,
    wires: [],
    refuse: close,
    accept: async () => await listen(port),
    [Symbol.asyncDispose]: close,
  };
  return upstream;
}

/** The answer as it should be. */
export async function wholly(wire: Wire): Promise<void> {
  await wire.head();
  for (const part of wire.script.parts) await wire.send(part);
  await wire.end();
}

async function serve(socket: Socket, upstream: FaultyUpstream): Promise<void> {
  let held = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    for (let request = nextRequest(held); request !== undefined; request = nextRequest(held)) {
      held = request.rest;
      const { method, path, body } = request;
      const list = method === 'GET' ? lists[path] : path === '/api/show' ? {} : undefined;
      if (list !== undefined) {
        socket.write(wholeAnswer(200, JSON.stringify(list)));
        continue;
      }
      const streamed = (JSON.parse(body) as { stream?: boolean }).stream ?? path.startsWith('/api/');
      const wire = new Wire(socket, path, streamed);
      upstream.wires.push(wire);
      void upstream.inject(wire);
    }
  });
}

const model = 'scripted-plain:latest';
const lists: Record<string, object> = {
  '/api/tags': { models: [{ name: model, model, modified_at: '2026-11-21T03:56:00Z' }] },
  '/api/ps': { models: [] },
  '/v1/models': { object: 'list', data: [{ id: model, object: 'model', created: 1795233600, owned_by: 'test' }] },
};

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly rest: Buffer<ArrayBuffer>;
}

/** undici gives every body a length. */
function nextRequest(held: Buffer<ArrayBuffer>): Request | undefined {
  const end = held.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = held.toString('latin1', 0, end);
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  const whole = end + 4 + length;
  if (held.length < whole) return undefined;
  const [method = '', path = ''] = head.split(' ', 2);
  return { method, path, body: held.toString('utf8', end + 4, whole), rest: held.subarray(whole) };
}

function headOf(status: number, headers: Record<string, string>): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Whatever\r\n${fields.join('')}\r\n`;
}

function wholeAnswer(status: number, body: string, headers: Record<string, string> = {}): string {
  const length = String(Buffer.byteLength(body));
  return headOf(status, { 'content-type': 'application/json', 'content-length': length, ...headers }) + body;
}
