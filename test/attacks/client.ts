import { type Socket, connect } from 'node:net';

/** A response as it came over the wire. Status 0: there was none. */
export interface RawResponse {
  readonly status: number;
  /** Head in lower case. */
  readonly head: string;
  readonly text: string;
  /** Bytes received, the head included. */
  readonly size: number;
  /** Milliseconds from connecting to the end. */
  readonly ms: number;
}

export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  /** Secret of a key, or a token. */
  readonly as?: string | undefined;
  readonly body?: string | Buffer | object | undefined;
  /** Added to the headers, or instead of one of the same name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until the client leaves. */
  readonly patience?: number;
}

/** The bytes of a request, and whether its method was given or follows from the body. */
export function bytesOf({ method, path, as, body, headers }: RawRequest): Buffer {
  const content =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body)
      ? Buffer.from(body ?? '')
      : JSON.stringify(body);
  const fields = {
    host: 'localhost',
    connection: 'close',
    ...(as !== undefined && { authorization: `Bearer ${as}` }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) }),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const verb = method ?? (body === undefined ? 'GET' : 'POST');
  return Buffer.concat([Buffer.from(`${verb} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), Buffer.from(content)]);
}

/** Sends one request over a connection of its own, and reads until the other side closes it. */
export async function send(port: number, request: RawRequest): Promise<RawResponse> {
  const began = performance.now();
  const chunks: Buffer[] = [];
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve) => {
    const late = setTimeout(() => socket.destroy(), request.patience ?? 15_000);
    socket.on('data', (bytes: Buffer) => chunks.push(bytes));
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(late);
      resolve();
    });
    socket.write(bytesOf(request));
  });
  const all = Buffer.concat(chunks);
  const end = all.indexOf('\r\n\r\n');
  const head = all.subarray(0, Math.max(0, end)).toString('latin1').toLowerCase();
  const status = Number(/^http\/1\.[01] (\d+)/.exec(head)?.[1] ?? 0);
  return {
    status,
    head,
    text: all.subarray(end + 4).toString('utf8'),
    size: all.length,
    ms: performance.now() - began,
  };
}

/** Opens a connection, sends bytes, and keeps it open. @param reads false: what arrives is never read */
export function hold(port: number, bytes: string | Buffer, reads = true): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  if (reads) socket.resume();
  else socket.pause();
  if (bytes.length > 0) socket.write(bytes);
  return socket;
}
