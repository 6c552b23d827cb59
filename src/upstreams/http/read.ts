import type { Backend, BackendQuery } from '../../chat/backend.ts';
import { GatewayError } from '../../errors.ts';
import { BoundedBytes } from '../../framing/bounded-bytes.ts';
import type { UpstreamAnswer } from './body.ts';
import { type UpstreamClient, transportError } from './client.ts';

const maxErrorBytes = 16 * 1024;
const maxJsonBytes = 16 * 1024 * 1024;

/**
 * Reads a response body. When it exceeds `maxBytes`, reading stops and what has arrived is returned, which is longer.
 *
 * @throws {GatewayError} when the connection fails
 */
async function readBytes({ body }: UpstreamAnswer, maxBytes: number): Promise<Buffer> {
  const bytes = new BoundedBytes(maxBytes);
  await new Promise<void>((resolve, reject) => {
    body.read({
      data: (chunk) => {
        if (bytes.add(chunk)) return;
        body.destroy();
        resolve();
      },
      end: resolve,
      error: (error) => reject(transportError(error, 'in the middle of its answer')),
    });
  });
  return bytes.take();
}

/**
 * Reads a response with a status other than 2xx.
 *
 * @returns the error for the client
 * @throws {GatewayError} when the connection fails
 */
export async function readError(answer: UpstreamAnswer, backend: Pick<Backend, 'error'>): Promise<GatewayError> {
  const text = (await readBytes(answer, maxErrorBytes)).toString('utf8');
  return backend.error(answer.statusCode, text, retryAfterOf(answer));
}

/** @returns the header's value in seconds; undefined if there is none in the future */
function retryAfterOf({ headers }: UpstreamAnswer): number | undefined {
  const value = headers['retry-after'];
  if (typeof value !== 'string') return undefined;
  const seconds = /^[\d.]+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return seconds > 0 ? seconds : undefined;
}

/**
 * Reads a response that is JSON.
 *
 * @throws {GatewayError} for a status other than 200, and `upstream_protocol_error` for a body that is not JSON or has
 *   more than `maxBytes`
 */
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

/** Milliseconds for a request that generates nothing. */
const defaultDeadline = 10_000;

/**
 * Sends a request that generates nothing and reads its response.
 *
 * @param milliseconds for the request and its whole response
 * @throws {GatewayError} when the upstream cannot be reached, answers with an error, or takes too long
 */
export async function askUpstream<Answer>(
  client: UpstreamClient,
  backend: Backend,
  { method, path, body, read }: BackendQuery<Answer>,
  milliseconds = defaultDeadline,
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
