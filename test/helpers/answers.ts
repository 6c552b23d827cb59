import type { ServerResponse } from 'node:http';
import type { Answer } from './upstream.ts';

export function sendJson(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Answers with JSON. */
export const json =
  (status: number, body: object, headers: Record<string, string> = {}): Answer =>
  (res) =>
    sendJson(res, status, body, headers);

/** Answers with an HTML page, as a reverse proxy does whose server is down. */
export const htmlPage =
  (status: number): Answer =>
  (res) => {
    res.writeHead(status, { 'content-type': 'text/html' }).end('<h1>It is gone</h1>');
  };

/** Breaks the connection. */
export const resetting: Answer = (res) => {
  res.destroy();
};

/** Never answers. */
export const silent: Answer = () => undefined;
