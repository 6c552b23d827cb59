import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * A proxy in front of an Ollama that passes every request on and records it. It adds the vision capability, which no scripted
 * model has.
 */
export interface RecordingProxy extends AsyncDisposable {
  readonly url: string;
  /** @returns the parsed bodies of all requests to this path, in order */
  bodiesOf(path: string): readonly Record<string, unknown>[];
}

export async function recordingProxy(ollama: string): Promise<RecordingProxy> {
  const requests: { path: string; body: string }[] = [];
  const server = createServer((req, res) => {
    pass(req, res).catch(() => res.destroy());
  });
  const pass = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { method = 'GET', url: path = '/' } = req;
    const body = await buffer(req);
    requests.push({ path, body: body.toString('utf8') });
    const clientLeft = new AbortController();
    res.once('close', () => clientLeft.abort());
    const answer = await fetch(ollama + path, {
      method,
      signal: clientLeft.signal,
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    });
    res.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    if (path === '/api/show') res.write((await answer.text()).replace('"completion"', '"completion","vision"'));
    else for await (const chunk of answer.body ?? []) res.write(chunk);
    res.end();
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodiesOf: (wanted) =>
      requests.filter(({ path }) => path === wanted).map(({ body }) => JSON.parse(body) as Record<string, unknown>),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
