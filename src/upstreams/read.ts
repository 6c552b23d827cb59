import type { ChatBackend } from '../chat/contract.ts';
import { GatewayError } from '../errors.ts';
import { transportError, type UpstreamAnswer } from './client.ts';

const maxErrorBytes = 16 * 1024;
const maxJsonBytes = 16 * 1024 * 1024;

/** Reads an answer that is small by nature, up to `maxBytes`; the rest is not waited for. @throws {GatewayError} */
async function readText({ body }: UpstreamAnswer, maxBytes: number): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of body) {
      pieces.push(piece);
      length += piece.length;
      if (length > maxBytes) break;
    }
  } catch (error) {
    throw transportError(error, 'in the middle of its answer');
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The error that an answer with a status other than 2xx stands for. */
export async function readError(answer: UpstreamAnswer, backend: ChatBackend): Promise<GatewayError> {
  return backend.error(answer.statusCode, await readText(answer, maxErrorBytes));
}

/** @throws {GatewayError} for a status other than 200 and for a body that is not JSON */
export async function readJson(answer: UpstreamAnswer, backend: ChatBackend): Promise<unknown> {
  if (answer.statusCode !== 200) throw await readError(answer, backend);
  const text = await readText(answer, maxJsonBytes);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The upstream sent an answer that is not JSON.', { cause });
  }
}
