import type { UpstreamRequest } from './upstream.ts';

/** Sends the head and the first line. */
export async function throughFirstLine(request: UpstreamRequest): Promise<void> {
  await request.head();
  await request.send(request.script.parts[0]);
}

/** Sends the head, the first line and half of the second. */
export async function throughHalfLine(request: UpstreamRequest): Promise<void> {
  const [first, second] = request.script.parts;
  await request.head();
  await request.send(first);
  await request.send(second.subarray(0, second.length / 2));
}

/** Sends the answer up to the first byte of a character of two bytes. */
export async function throughHalfCharacter(request: UpstreamRequest): Promise<void> {
  const [first, second] = request.script.parts;
  await request.head();
  await request.send(first);
  await request.send(second.subarray(0, second.indexOf('é') + 1));
}

export const answering =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  async (request: UpstreamRequest): Promise<void> =>
    await request.answer(status, body, headers);

/** Answers with an error in the format of the upstream's kind. */
export const errorAnswer =
  (status: number, message: string, headers: Record<string, string> = {}) =>
  async (request: UpstreamRequest): Promise<void> => {
    const error = request.path.startsWith('/api/') ? message : { message, type: 'whatever', code: null, param: null };
    await request.answer(status, JSON.stringify({ error }), headers);
  };

export const neverAnswer = (): void => undefined;
/** The error page of a proxy, with an address that clients must not see. */
export const htmlPage = '<html><body>A proxy speaks, of 10.0.0.7:8080</body></html>';

/** Runs `step`, then `last`, which breaks the connection. */
export const sequence =
  (step: (request: UpstreamRequest) => Promise<void>, last: (request: UpstreamRequest) => void) =>
  async (request: UpstreamRequest): Promise<void> => {
    await step(request);
    last(request);
  };
export const reset = (request: UpstreamRequest): void => request.reset();
export const halfClose = (request: UpstreamRequest): void => request.halfClose();
export const raw =
  (bytes: string) =>
  async (request: UpstreamRequest): Promise<void> =>
    await request.raw(bytes);

/** Sends what keeps a connection open and is not part of an answer. */
export function sendNothing(request: UpstreamRequest): void {
  void request.send(Buffer.from(request.path.startsWith('/api/') ? '\n' : ': waiting\n\n'));
}

/** Sends lines until the connection is closed. */
export async function sendEndlessly(request: UpstreamRequest): Promise<void> {
  await request.head();
  await request.send(request.script.parts[0]);
  const line = request.script.line('more '.repeat(200));
  while (!request.closed) await request.send(line);
}

export async function withoutDoneLine(request: UpstreamRequest): Promise<void> {
  const [first, second] = request.script.parts;
  await request.head();
  await request.send(first);
  await request.send(second);
  await request.end();
}

/** Sends the answer with `line` after its first line. */
export async function withExtraLine(request: UpstreamRequest, line: string): Promise<void> {
  const [first, second, last] = request.script.parts;
  await request.head();
  for (const part of [first, line, second, last]) await request.send(part);
  await request.end();
}

export async function withTrailingGarbage(request: UpstreamRequest, garbage: string): Promise<void> {
  await request.head();
  for (const part of request.script.parts) await request.send(part);
  await request.send(garbage);
  await request.end();
}

/** Sends the answer with a byte in its text that is not UTF-8. */
export async function withInvalidUtf8(request: UpstreamRequest): Promise<void> {
  const [first, second, last] = request.script.parts;
  const broken = Buffer.from(second);
  broken.fill(0xff, broken.indexOf('caf'), broken.indexOf('caf') + 1);
  await request.head();
  for (const part of [first, broken, last]) await request.send(part);
  await request.end();
}
