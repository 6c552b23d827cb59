import { type ParseError, printParseErrorCode, visit } from 'jsonc-parser';
import type { Context, Handler } from 'hono';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { nestsDeeper } from '../framing/depth.ts';
import type { Env } from './respond.ts';
import type { Services } from './services.ts';

/** Answers a request whose body has been read. */
export type BodyHandler = (c: Context<Env>, body: Buffer) => Promise<Response>;

/** Reads the body of a request for a handler that wants it whole. @throws {GatewayError} of `readBody` */
export function withBody(handler: BodyHandler, { config: { limits, timeouts } }: Services): Handler<Env> {
  return async (c) => {
    const { signal } = c.get('exchange');
    return await handler(c, await readBody(c.req.raw, limits, timeouts.body, signal));
  };
}

/**
 * Reads a whole request body, which is JSON, or nothing that will be read.
 *
 * @param limits a body of more bytes is a 413; one that nests deeper a 400, whether or not it is to be parsed here
 * @param deadline milliseconds
 * @param signal gives it up, with its reason
 * @throws {GatewayError} 413, 408 or 400; `client_closed` when the connection broke
 */
export async function readBody(
  request: Request,
  { body: maxBytes, depth }: Pick<Config['limits'], 'body' | 'depth'>,
  deadline: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const declared = request.headers.get('content-length');
  const tooLarge = new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);
  if (Number(declared) > maxBytes) throw tooLarge;
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
  }, deadline);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    // With a length the server holds the client to it; without one the bytes have to be counted.
    const body = await Promise.race([
      givenUp,
      declared === null ? readCounted(request, maxBytes, tooLarge) : readDeclared(request),
    ]);
    if (!nestsDeeper(body, depth)) return body;
    throw new GatewayError('invalid_value', `The request body is nested too deeply: more than ${depth} deep.`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function readDeclared(request: Request): Promise<Buffer> {
  try {
    return Buffer.from(await request.arrayBuffer());
  } catch (cause) {
    throw new GatewayError('client_closed', 'The request body ended early.', { cause });
  }
}

async function readCounted(request: Request, maxBytes: number, tooLarge: GatewayError): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of request.body ?? []) {
      length += piece.length;
      if (length > maxBytes) throw tooLarge;
      pieces.push(piece);
    }
  } catch (cause) {
    throw cause === tooLarge ? tooLarge : new GatewayError('client_closed', 'The request body ended early.', { cause });
  }
  return Buffer.concat(pieces);
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
