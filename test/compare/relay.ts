import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A listener in front of an Ollama that passes everything on and keeps what was asked. */
export interface Relay extends AsyncDisposable {
  readonly url: string;
  /** The parsed bodies of what this path was asked, in order. */
  asked(path: string): readonly Record<string, unknown>[];
}

export async function relayTo(ollama: string): Promise<Relay> {
  const seen: { path: string; body: string }[] = [];
  const server = createServer((req, res) => {
    pass(req, res).catch(() => res.destroy());
  });
  const pass = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { method = 'GET', url: path = '/' } = req;
    const body = await buffer(req);
    seen.push({ path, body: body.toString('utf8') });
    const left = new AbortController();
    res.once('close', () => left.abort());
    const answer = await fetch(ollama + path, {
      method,
      signal: left.signal,
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    res.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    for await (const piece of answer.body ?? []) res.write(piece);
    res.end();
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: (wanted) =>
      seen.filter(({ path }) => path === wanted).map(({ body }) => JSON.parse(body) as Record<string, unknown>),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
