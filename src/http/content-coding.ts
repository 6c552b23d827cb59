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
import { Semaphore } from '../semaphore.ts';

/** Size of the pieces that a body is unpacked in, in bytes: smaller ones cost more, and each decompressor holds one. */
const chunkSize = 64 * 1024;
/** Codings of one body. Clients use one, and each takes memory. */
const maxCodings = 3;

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
 * @returns the codings in the order in which they were applied; empty for `identity`
 * @throws {GatewayError} 415 for an unknown coding, and for too many
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-8.4
 */
export function readCodings(header: string): readonly Coding[] {
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
  /** Limit for the output of each decompressor but the last, whose reader has its own. */
  readonly maxBytes: number;
  /** Creates the error for more. */
  readonly tooLarge: () => GatewayError;
}

/**
 * Unpacks a body as it is read, on other threads than that of the event loop.
 *
 * @returns a stream that fails with the error of `tooLarge` or of zlib. Destroy it to free the decompressors.
 */
export function unpack(packed: Buffer, { applied, maxBytes, tooLarge }: UnpackOptions): Readable {
  const counter = (): OnBytes => {
    let bytes = 0;
    return (length) => {
      bytes += length;
      if (bytes > maxBytes) last?.destroy(tooLarge());
    };
  };
  const stages = applied.toReversed().map((coding): Transform => codings[coding](counter()));
  const last = stages.at(-1);
  if (last === undefined) throw new RangeError('There is no coding.');
  for (const [index, stage] of stages.slice(0, -1).entries()) {
    stage
      .on('data', countData(counter()))
      .on('error', (error) => last.destroy(error))
      .pipe(stages[index + 1] ?? last);
  }
  last.on('close', () => {
    for (const stage of stages) stage.on('error', ignore).destroy();
  });
  stages[0]?.end(packed);
  return last;
}

function countData(onBytes: OnBytes): (chunk: Buffer) => void {
  return (chunk) => onBytes(chunk.length);
}

function ignore(): void {
  // The reader of the body has the first error.
}

/** Bodies that are unpacked at the same time: each takes up to 16 MiB for its window, and a thread of the four that there are. */
const maxActive = 2;

/** @returns what bounds the bodies that are unpacked at the same time. All others wait: each is in memory already */
export function createUnpackings(): Semaphore {
  return new Semaphore(maxActive, Infinity, '');
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
    // It has ended already if there are bytes after the end of the data.
    if (this.#inflate === undefined || this.#inflate.readableEnded) return done();
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
