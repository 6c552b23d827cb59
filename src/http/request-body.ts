import { isAscii } from 'node:buffer';
import { Readable } from 'node:stream';
import { type ParseError, printParseErrorCode, visit } from 'jsonc-parser';
import type { Context } from 'hono';
import type { Signal } from '../cancellation.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { type JsonLimits, countValues } from '../framing/depth.ts';
import { isObject, parseExact } from '../framing/json.ts';
import { type Coding, createUnpackings, readCodings, unpack } from './content-coding.ts';
import type { Env } from './respond.ts';
import { Turns } from './turns.ts';

/** Bytes that a parsed value takes, in addition to the characters of strings. */
const bytesPerValue = 64;
/** Bytes in addition to each byte of a body that is not ASCII: V8 may need two for each of its characters. */
const wideText = 0.5;
/** Estimated milliseconds for one value and for one byte: to parse it, to translate it and to write it again. */
const timePerValue = 0.001;
const timePerByte = 10e-6;

interface BodyOptions {
  /** Replaces the model of the body. */
  readonly model: string | undefined;
  /** Values that the body may contain in addition to `limits.values`. */
  readonly moreValues: number;
}

/** Reads request bodies, and bounds the memory and the time that they take. */
export class BodyReader {
  readonly #limits: Limits;
  /** Milliseconds. */
  readonly #deadline: number;
  readonly #turns = new Turns();
  readonly #unpackings = createUnpackings();

  constructor({ limits, timeouts }: Pick<Config, 'limits' | 'timeouts'>) {
    this.#limits = limits;
    this.#deadline = timeouts.body;
  }

  /**
   * Reads a whole request body: JSON, or something that the handler does not parse.
   *
   * Unpacks it if it is compressed; all limits apply to the unpacked bytes.
   *
   * @throws {GatewayError} 413 over `limits.body` bytes, 400 over another limit, 408 after `timeouts.body`, 415 for an unknown
   *   coding, 503 if all bodies together take too much memory, `client_closed` if the connection breaks
   * @throws the reason that the exchange was cancelled with
   */
  async read(c: Context<Env>, { model, moreValues }: BodyOptions): Promise<Buffer> {
    const { admitted, signal } = c.get('exchange');
    const bytes = await this.#receive(c);
    const limits = moreValues === 0 ? this.#limits : { ...this.#limits, values: this.#limits.values + moreValues };
    const values = countValues(bytes, limits);
    if (typeof values === 'string') throw overLimit(values, limits[values]);
    admitted?.hold(values * bytesPerValue + (isAscii(bytes) ? 0 : bytes.length * wideText));
    const turn = this.#turns.wait(admitted?.owner ?? '', values * timePerValue + bytes.length * timePerByte);
    if (turn !== undefined) {
      await turn;
      signal.throwIfAborted();
    }
    return model === undefined ? bytes : withModel(bytes, model);
  }

  async #receive(c: Context<Env>): Promise<Buffer> {
    // Reading Node's request directly: the web's body costs more than the rest of a small request.
    const body = c.env?.incoming ?? Readable.fromWeb(c.req.raw.body ?? new Blob([]).stream());
    const { admitted, signal } = c.get('exchange');
    const maxBytes = this.#limits.body;
    const encoding = c.req.header('content-encoding');
    const applied = encoding === undefined ? [] : readCodings(encoding);
    const declared = Number(c.req.header('content-length') ?? 0);
    if (declared > maxBytes) throw tooLarge(maxBytes);
    admitted?.hold(declared);
    // Memory for a body whose length is not known is counted as it arrives.
    const onBytes = (length: number): void => admitted?.hold(length);
    const options = { maxBytes, deadline: this.#deadline, signal };
    const received = await readAll(body, { ...options, declared, ...(declared === 0 && { onBytes }) });
    if (applied.length === 0) return received;
    // Not while it arrives: a slow client would keep the decompressor from others.
    return await this.#unpackings.run(signal, admitted?.owner, async () => {
      return await unpackAll(received, applied, { ...options, onBytes });
    });
  }
}

type Limits = Pick<Config['limits'], 'body' | keyof JsonLimits>;

function overLimit(limit: keyof JsonLimits, max: number): GatewayError {
  const faults = {
    depth: `is nested too deeply: more than ${max} deep`,
    values: `has more than ${max} values`,
    fields: `has an object with more than ${max} fields`,
  };
  return new GatewayError('invalid_value', `The request body ${faults[limit]}.`);
}

/** Bytes from which a body gets one piece of memory of its own, which `parseOnce` can free. */
const largeBody = 64 * 1024;

interface ReadOptions {
  readonly maxBytes: number;
  /** The declared length; 0 if there is none. */
  readonly declared?: number;
  /** Milliseconds. */
  readonly deadline: number;
  /** Stops the reading, which then throws its reason. */
  readonly signal: Signal;
  /** Called with the length of each chunk. What it throws stops the reading. */
  readonly onBytes?: ((length: number) => void) | undefined;
  /** Converts an error of the stream. Absent: the body ended early. */
  readonly toError?: (cause: unknown) => GatewayError;
}

/** @throws {GatewayError} 400 if the body cannot be unpacked, 413 if it is too large */
async function unpackAll(packed: Buffer, applied: readonly Coding[], options: ReadOptions): Promise<Buffer> {
  const { maxBytes } = options;
  const body = unpack(packed, { applied, maxBytes, tooLarge: () => tooLarge(maxBytes) });
  const toError = (cause: unknown): GatewayError => {
    if (cause instanceof GatewayError) return cause;
    return new GatewayError('invalid_value', `The request body is not ${applied.join(', ')}, or not complete.`, {
      cause,
    });
  };
  try {
    return await readAll(body, { ...options, toError });
  } finally {
    body.destroy();
  }
}

/** Reads a stream to its end. */
export async function readAll(
  body: Readable,
  { maxBytes, declared = 0, deadline, signal, onBytes, toError = endedEarly }: ReadOptions,
): Promise<Buffer> {
  signal.throwIfAborted();
  if (body.destroyed && !body.readableEnded) throw endedEarly();
  const chunks: Buffer[] = [];
  // A list of a large body's chunks and the whole body would together take twice its memory.
  const whole = declared >= largeBody ? Buffer.allocUnsafeSlow(declared) : undefined;
  let length = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = (): void => reject(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
  const timer = setTimeout(late, deadline);
  const fail = (cause: unknown): void => reject(toError(cause));
  const abort = (): void => reject(signal.reason);
  const take = (chunk: Buffer): void => {
    const start = length;
    length += chunk.length;
    if (length > maxBytes) return reject(tooLarge(maxBytes));
    try {
      onBytes?.(chunk.length);
    } catch (error) {
      return reject(error);
    }
    if (whole !== undefined && length <= declared) whole.set(chunk, start);
    else chunks.push(chunk);
  };
  const end = (): void => resolve();
  const close = (): void => {
    // Every body closes, and creating an error captures a stack, which is slow.
    if (!body.readableEnded) reject(endedEarly());
  };
  signal.addEventListener('abort', abort);
  body.on('data', take).on('end', end).on('error', fail).on('close', close);
  try {
    await promise;
    if (whole !== undefined && length === declared) return whole;
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // A connection that breaks later has nothing to do with the body. The listener for that must not reference the chunks,
    // which would then stay in memory for as long as the answer takes.
    body.off('data', take).off('end', end).off('close', close).off('error', fail).on('error', ignore);
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

/** @returns a body with another model; one that is not a JSON object stays as it is, for its handler to refuse */
function withModel(bytes: Buffer, model: string): Buffer {
  let body: unknown;
  try {
    body = parseExact(bytes.toString('utf8'));
  } catch {
    return bytes;
  }
  return isObject(body) ? Buffer.from(JSON.stringify({ ...body, model })) : bytes;
}

/** Characters of a body that is searched for its first fault, which takes a hundred times as long as parsing. */
const maxSearched = 256 * 1024;

/** Parses a JSON body, whatever its Content-Type. @throws {GatewayError} 400 with the position of the first fault */
export function parseJson(body: Buffer): unknown {
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    const fault = text.length > maxSearched ? '' : `: ${firstFault(text)}`;
    throw new GatewayError('invalid_json', `The request body is not JSON${fault}.`);
  }
}

/**
 * Parses a JSON body that nothing else needs, and frees its memory now: the garbage collector would wait for the end of the
 * request, and often much longer.
 *
 * @throws {GatewayError} 400 with the position of the first fault
 */
export function parseOnce(body: Buffer): unknown {
  const parsed = parseJson(body);
  const { buffer, length } = body;
  if (length >= largeBody && buffer.byteLength === length && buffer instanceof ArrayBuffer) buffer.transfer(0);
  return parsed;
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
