import { Readable } from 'node:stream';
import { type ParseError, printParseErrorCode, visit } from 'jsonc-parser';
import type { Context } from 'hono';
import type { Signal } from '../cancellation.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { nestsDeeper } from '../framing/depth.ts';
import type { Env } from './respond.ts';

/**
 * Reads a whole request body: JSON, or something that the handler does not parse.
 *
 * @throws {GatewayError} 413 over `limits.body` bytes, 400 if it is nested deeper than `limits.depth`, 408 after
 *   `timeouts.body`, `client_closed` if the connection breaks
 * @throws the reason that the exchange was cancelled with
 */
export async function readBody(c: Context<Env>, { limits, timeouts }: BodyLimits): Promise<Buffer> {
  // Reading Node's request directly: the web's body costs more than the rest of a small request.
  const body = c.env?.incoming ?? Readable.fromWeb(c.req.raw.body ?? new Blob([]).stream());
  const declared = Number(c.req.header('content-length') ?? 0);
  if (declared > limits.body) throw tooLarge(limits.body);
  const bytes = await readAll(body, limits.body, timeouts.body, c.get('exchange').signal);
  if (!nestsDeeper(bytes, limits.depth)) return bytes;
  throw new GatewayError('invalid_value', `The request body is nested too deeply: more than ${limits.depth} deep.`);
}

interface BodyLimits {
  readonly limits: Pick<Config['limits'], 'body' | 'depth'>;
  readonly timeouts: Pick<Config['timeouts'], 'body'>;
}

/**
 * Reads a stream to its end.
 *
 * @param deadline milliseconds
 * @param signal stops the reading, which then throws its reason
 */
export async function readAll(body: Readable, maxBytes: number, deadline: number, signal: Signal): Promise<Buffer> {
  signal.throwIfAborted();
  if (body.destroyed && !body.readableEnded) throw endedEarly();
  const chunks: Buffer[] = [];
  let length = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = (): void => reject(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
  const timer = setTimeout(late, deadline);
  const left = (cause?: unknown): void => reject(endedEarly(cause));
  const abort = (): void => reject(signal.reason);
  const take = (chunk: Buffer): void => {
    length += chunk.length;
    if (length > maxBytes) reject(tooLarge(maxBytes));
    else chunks.push(chunk);
  };
  const end = (): void => resolve();
  const close = (): void => {
    // Every body closes, and creating an error captures a stack, which is slow.
    if (!body.readableEnded) left();
  };
  signal.addEventListener('abort', abort);
  body.on('data', take).on('end', end).on('error', left).on('close', close);
  try {
    await promise;
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // A connection that breaks later has nothing to do with the body. The listener for that must not reference the chunks,
    // which would then stay in memory for as long as the answer takes.
    body.off('data', take).off('end', end).off('close', close).off('error', left).on('error', ignore);
  }
}

function ignore(): void {
  // Whoever writes the answer handles it.
}

function endedEarly(cause?: unknown): GatewayError {
  return new GatewayError('client_closed', 'The request body ended early.', { cause });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);
}

/** Parses a JSON body, whatever its Content-Type. @throws {GatewayError} 400 with the position of the first fault */
export function parseJson(body: Buffer): unknown {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('invalid_json', `The request body is not JSON: ${firstFault(text)}.`);
  }
}

/** Finds the first fault with a tolerant parser, because JSON.parse reports the position of only some faults. */
function firstFault(text: string): string {
  if (text.trim() === '') return 'it is empty';
  let fault: string | undefined;
  const stop = new Error('found');
  try {
    visit(
      text,
      {
        onError(error: ParseError['error'], offset, ...[, line, character]) {
          fault = `${inWords(printParseErrorCode(error))} at line ${line + 1}, column ${character + 1} (position ${offset})`;
          throw stop;
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
  } catch (thrown) {
    if (thrown !== stop) return 'it is nested too deeply';
  }
  return fault ?? 'it holds a character that JSON does not allow';
}

/** `PropertyNameExpected` -> `property name expected`. */
function inWords(code: string): string {
  return code.replace(/(?<=[a-z])[A-Z]/g, ' $&').toLowerCase();
}
