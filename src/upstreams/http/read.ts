import type { Backend, Question } from '../../chat/backend.ts';
import { GatewayError } from '../../errors.ts';
import type { UpstreamAnswer } from './body.ts';
import { type UpstreamClient, transportError } from './client.ts';

const maxErrorBytes = 16 * 1024;
const maxJsonBytes = 16 * 1024 * 1024;

/** Reads a whole answer, or a little more than `maxBytes` of it; the rest is not waited for. @throws {GatewayError} */
async function readBytes({ body }: UpstreamAnswer, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  await new Promise<void>((resolve, reject) => {
    body.read({
      data: (bytes) => {
        pieces.push(bytes);
        length += bytes.length;
        if (length <= maxBytes) return;
        body.destroy();
        resolve();
      },
      end: resolve,
      error: (error) => reject(transportError(error, 'in the middle of its answer')),
    });
  });
  return Buffer.concat(pieces);
}

/** The error that an answer with a status other than 2xx stands for. */
export async function readError(answer: UpstreamAnswer, backend: Pick<Backend, 'error'>): Promise<GatewayError> {
  const retryAfter = Number(answer.headers['retry-after'] ?? NaN);
  const text = (await readBytes(answer, maxErrorBytes)).toString('utf8');
  return backend.error(answer.statusCode, text, retryAfter > 0 ? Math.min(Math.ceil(retryAfter), 60) : undefined);
}

/** @throws {GatewayError} for a status other than 200, and for a body that is not JSON or has more than `maxBytes` */
export async function readJson(
  answer: UpstreamAnswer,
  backend: Pick<Backend, 'error'>,
  maxBytes = maxJsonBytes,
): Promise<unknown> {
  if (answer.statusCode !== 200) throw await readError(answer, backend);
  const bytes = await readBytes(answer, maxBytes);
  if (bytes.length > maxBytes) throw new GatewayError('upstream_protocol_error', 'The answer is too large.');
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent an answer that is not JSON.', { cause });
  }
}

/** Milliseconds for an answer that takes no generating. */
const deadline = 10_000;

/** Asks an upstream something besides generating. @throws {GatewayError} */
export async function askUpstream<Answer>(
  client: UpstreamClient,
  backend: Backend,
  { method, path, body, read }: Question<Answer>,
  milliseconds = deadline,
): Promise<Answer> {
  const answer = await client.send({
    method,
    path,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(milliseconds),
    deadline: milliseconds,
  });
  return read(await readJson(answer, backend));
}
