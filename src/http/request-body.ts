import { Readable } from 'node:stream';
import { type ParseError, printParseErrorCode, visit } from 'jsonc-parser';
import type { Context } from 'hono';
import type { Signal } from '../cancellation.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { nestsDeeper } from '../framing/depth.ts';
import type { Env, RequestHandler } from './respond.ts';
import type { Services } from '../services.ts';

/** Answers a request whose body has been read. */
export type BodyHandler = (c: Context<Env>, body: Buffer) => Promise<Response>;

/** Reads the body of a request for a handler that wants it whole. @throws {GatewayError} of `readBody` */
export function withBody(handler: BodyHandler, { config: { limits, timeouts } }: Services): RequestHandler {
  return async (c) => {
    // What is between Node's own request and the web's costs more than the rest of a small request.
    const body: Readable = c.env?.incoming ?? Readable.fromWeb(c.req.raw.body ?? new Blob([]).stream());
    const declared = Number(c.req.header('content-length') ?? 0);
    return await handler(c, await readBody(body, declared, limits, timeouts.body, c.get('exchange').signal));
  };
}

/**
 * Reads a whole request body, which is JSON, or nothing that will be read.
 *
 * @param declared bytes that its head speaks of
 * @param limits a body of more bytes is a 413; one that nests deeper a 400, whether or not it is to be parsed here
 * @param deadline milliseconds
 * @param signal gives it up, with its reason
 * @throws {GatewayError} 413, 408 or 400; `client_closed` when the connection broke
 */
export async function readBody(
  body: Readable,
  declared: number,
  { body: maxBytes, depth }: Pick<Config['limits'], 'body' | 'depth'>,
  deadline: number,
  signal: Signal,
): Promise<Buffer> {
  if (declared > maxBytes) throw tooLarge(maxBytes);
  const bytes = await readAll(body, maxBytes, deadline, signal);
  if (!nestsDeeper(bytes, depth)) return bytes;
  throw new GatewayError('invalid_value', `The request body is nested too deeply: more than ${depth} deep.`);
}

async function readAll(body: Readable, maxBytes: number, deadline: number, signal: Signal): Promise<Buffer> {
  signal.throwIfAborted();
  if (body.destroyed && !body.readableEnded) throw endedEarly();
  const pieces: Buffer[] = [];
  let length = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = (): void => reject(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
  const timer = setTimeout(late, deadline);
  const left = (cause?: unknown): void => reject(endedEarly(cause));
  const abort = (): void => reject(signal.reason);
  const take = (piece: Buffer): void => {
    length += piece.length;
    if (length > maxBytes) reject(tooLarge(maxBytes));
    else pieces.push(piece);
  };
  const end = (): void => resolve();
  const close = (): void => {
    // Every body closes, and an error knows its stack, which is dear.
    if (!body.readableEnded) left();
  };
  signal.addEventListener('abort', abort);
  body.on('data', take).on('end', end).on('error', left).on('close', close);
  try {
    await promise;
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // A connection may break later, which is nothing to do with the body. What hears of it then must not know the body,
    // which would stay for as long as the answer takes.
    body.off('data', take).off('end', end).off('close', close).off('error', left).on('error', passOver);
  }
}

function passOver(): void {
  // Whoever writes the answer hears of it.
}

function endedEarly(cause?: unknown): GatewayError {
  return new GatewayError('client_closed', 'The request body ended early.', { cause });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);
}

/** Parses a JSON body, whatever its Content-Type. @throws {GatewayError} 400 that tells where it stops being JSON */
export function parseJson(body: Buffer): unknown {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new GatewayError('invalid_json', `The request body is not JSON: ${firstFault(text)}.`);
  }
}

/** JSON.parse tells the place of some faults only, so a tolerant parser looks for it; faults are rare. */
function firstFault(text: string): string {
  if (text.trim() === '') return 'it is empty';
  let fault: string | undefined;
  const stop = new Error('found');
  try {
    visit(
      text,
      {
        onError(error: ParseError['error'], offset, _length, line, character) {
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
