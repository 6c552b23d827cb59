import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { Pool } from 'undici';

/** Passes requests on and answers back, and reads neither: what a proxy in this Node costs at the least. */
export function createRaw(upstream: string): ReturnType<typeof createServer> {
  const pool = new Pool(upstream, { connections: null, pipelining: 1, keepAliveTimeout: 60_000 });
  const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 }, (req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => pass(pool, req, res, Buffer.concat(pieces)));
  });
  server.on('close', () => void pool.destroy());
  return server;
}

function pass(pool: Pool, req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  let over = false;
  const headers = { 'content-type': 'application/json' };
  pool.dispatch(
    { path: req.url ?? '/', method: 'POST', headers, body },
    {
      onRequestStart: (controller) => {
        res.on('close', () => {
          if (!over) controller.abort(new Error('the client left'));
        });
      },
      onResponseStart: (_, status, { 'content-type': type = '', 'content-length': length = '' }) => {
        const kept = { 'content-type': String(type) };
        res.writeHead(status, length === '' ? kept : { ...kept, 'content-length': String(length) });
      },
      onResponseData: (controller, piece) => {
        if (res.write(piece)) return;
        controller.pause();
        res.once('drain', () => controller.resume());
      },
      onResponseEnd: () => {
        over = true;
        res.end();
      },
      onResponseError: () => {
        if (!over) res.destroy();
      },
    },
  );
}

if (import.meta.main) {
  createRaw(process.env['UPSTREAM'] ?? '').listen(Number(process.env['PORT']), '127.0.0.1');
}
