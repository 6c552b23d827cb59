import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { Pool } from 'undici';

/** Creates a proxy that passes requests and responses on without parsing them: the least that a proxy in Node costs. */
export function createRaw(upstream: string): ReturnType<typeof createServer> {
  const pool = new Pool(upstream, { connections: null, pipelining: 1, keepAliveTimeout: 60_000 });
  const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => pass(pool, req, res, Buffer.concat(chunks)));
  });
  server.on('close', () => void pool.destroy());
  return server;
}

function pass(pool: Pool, req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  let ended = false;
  const headers = { 'content-type': 'application/json' };
  pool.dispatch(
    { path: req.url ?? '/', method: 'POST', headers, body },
    {
      onRequestStart: (controller) => {
        res.on('close', () => {
          if (!ended) controller.abort(new Error('the client left'));
        });
      },
      onResponseStart: (_, status, { 'content-type': type = '', 'content-length': length = '' }) => {
        const fields = { 'content-type': String(type) };
        res.writeHead(status, length === '' ? fields : { ...fields, 'content-length': String(length) });
      },
      onResponseData: (controller, chunk) => {
        if (res.write(chunk)) return;
        controller.pause();
        res.once('drain', () => controller.resume());
      },
      onResponseEnd: () => {
        ended = true;
        res.end();
      },
      onResponseError: () => {
        if (!ended) res.destroy();
      },
    },
  );
}

if (import.meta.main) {
  createRaw(process.env['UPSTREAM'] ?? '').listen(Number(process.env['PORT']), '127.0.0.1');
}
