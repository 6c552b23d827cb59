import { type Readable, Transform, type TransformCallback } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import { GatewayError } from '../errors.ts';

/** Size of the pieces that a body is unpacked in, in bytes: smaller ones cost more, and each decompressor holds one. */
const chunkSize = 64 * 1024;
/** Codings of one body. Clients use one, and each takes memory. */
const maxCodings = 3;

/** Bytes that a decompressor takes before it has unpacked anything. */
export const decompressorBytes = 2 * chunkSize;

/** The codings that are decoded, by their names in `Content-Encoding`. */
const codings = {
  gzip: () => createGunzip({ chunkSize }),
  'x-gzip': () => createGunzip({ chunkSize }),
  deflate: (onBytes) => new Inflate(onBytes),
  br: () => createBrotliDecompress({ chunkSize }),
  // A window of at most 8 MiB, which every decoder has to take (RFC 9659). A frame could ask for 128 MiB.
  zstd: () => createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
} satisfies Record<string, (onBytes: OnBytes) => Transform>;

export type Coding = keyof typeof codings;

type OnBytes = (length: number) => void;

/**
 * Reads `Content-Encoding`.
 *
 * @returns the codings in the order in which they were applied; empty for `identity` and without the header
 * @throws {GatewayError} 415 for an unknown coding, and for too many
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-8.4
 */
export function readCodings(header: string | undefined): readonly Coding[] {
  if (header === undefined) return [];
  const names = header
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > maxCodings) throw unsupportedEncoding(`A request body may have at most ${maxCodings} codings.`);
  if (names.every((name): name is Coding => Object.hasOwn(codings, name))) return names;
  throw unsupportedEncoding('The Content-Encoding of the request is unknown. Use gzip, deflate, br, zstd or none.');
}

/** @returns a 415 that lists the codings that are decoded */
export function unsupportedEncoding(message: string): GatewayError {
  const headers = { 'accept-encoding': 'gzip, deflate, br, zstd' };
  return new GatewayError('unsupported_encoding', message, { headers });
}

interface UnpackOptions {
  /** The codings in the order in which they were applied; at least one. */
  readonly applied: readonly Coding[];
  /** Limit for the packed body, and for the output of each decompressor but the last. */
  readonly maxBytes: number;
  /** Creates the error for more. */
  readonly tooLarge: () => GatewayError;
  /** Creates the error for a packed body that breaks off. */
  readonly endedEarly: (cause?: unknown) => GatewayError;
}

interface Unpacked {
  /** Fails with a GatewayError of the options, or with an error of zlib. */
  readonly body: Readable;
  /** Frees the decompressors, and ignores the rest of the packed body: to destroy it would close the connection. */
  close(): void;
}

/** Unpacks a body as it is read, on other threads than that of the event loop. */
export function unpack(packed: Readable, { applied, maxBytes, tooLarge, endedEarly }: UnpackOptions): Unpacked {
  let failed: GatewayError | undefined;
  const fail = (error: GatewayError): void => {
    failed ??= error;
    for (const stage of stages) stage.destroy(failed);
  };
  const counter = (): OnBytes => {
    let bytes = 0;
    return (length) => {
      bytes += length;
      if (bytes > maxBytes) fail(tooLarge());
    };
  };
  const stages = applied.toReversed().map((coding): Transform => codings[coding](counter()));
  const [first, last] = [stages[0], stages.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('There is no coding.');
  const onError = (cause: unknown): void => fail(endedEarly(cause));
  const onClose = (): void => {
    if (!packed.readableEnded) fail(endedEarly());
  };
  const countPacked = countData(counter());
  packed.on('data', countPacked).on('error', onError).on('close', onClose).pipe(first);
  for (const [index, stage] of stages.slice(0, -1).entries()) {
    // The pieces of the last one are counted by its reader.
    stage
      .on('data', countData(counter()))
      .on('error', (error) => last.destroy(error))
      .pipe(stages[index + 1] ?? last);
  }
  return {
    body: last,
    close() {
      packed.off('data', countPacked).off('close', onClose).off('error', onError).on('error', ignore).unpipe(first);
      for (const stage of stages) stage.on('error', ignore).destroy();
      packed.resume();
    },
  };
}

function countData(onBytes: OnBytes): (chunk: Buffer) => void {
  return (chunk) => onBytes(chunk.length);
}

function ignore(): void {
  // The reader of the body has the first error.
}

/** The low bits of the first byte of zlib's format. */
const zlibFormat = 8;

/** Unpacks `deflate`: the format of zlib, which the standard means, or raw deflate, which some clients send. */
class Inflate extends Transform {
  /** Called with the length of each piece: those that wait to be read are not bounded otherwise. */
  readonly #onBytes: OnBytes;
  #inflate: Transform | undefined;

  constructor(onBytes: OnBytes) {
    super();
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#inflate ??= this.#start(chunk);
    this.#inflate.write(chunk, done);
  }

  override _flush(done: TransformCallback): void {
    if (this.#inflate === undefined) return done();
    this.#inflate.once('end', done).end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inflate?.on('error', ignore).destroy();
    done(error);
  }

  #start([first = 0]: Buffer): Transform {
    const inflate = (first & 0x0f) === zlibFormat ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize });
    return inflate
      .on('error', (error) => this.destroy(error))
      .on('data', (chunk: Buffer) => {
        this.#onBytes(chunk.length);
        this.push(chunk);
      });
  }
}
