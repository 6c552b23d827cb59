import type { UsageObserver } from '../chat/stream.ts';
import { GatewayError, stoppedEarly } from '../errors.ts';
import type { UpstreamAnswer } from '../upstreams/http/body.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { ResponseStream, Sink } from './response-stream.ts';
import { type Chunk, MergedBodies } from './merged-bodies.ts';

const newline = 10;

interface PassthroughOptions {
  readonly answer: UpstreamAnswer;
  readonly observer: UsageObserver;
  readonly exchange: Exchange;
  /** Where the answer is a stream of records: what is said between two of them when it breaks off. */
  readonly failure: ((error: GatewayError) => string) | undefined;
}

/**
 * The answer of an upstream as it is, with what was counted read along. Resolves when something of it is there, be it its
 * end: until then a failure is thrown. The flow's end ends the exchange.
 *
 * @throws {GatewayError} when the upstream fails before anything came
 */
export async function passthroughStream(options: PassthroughOptions): Promise<ResponseStream> {
  const flow = new PassthroughStream(options);
  await flow.begin();
  return flow;
}

class PassthroughStream implements ResponseStream {
  readonly source: MergedBodies;
  readonly exchange: Exchange;
  opening: Uint8Array = new Uint8Array();
  ended = false;
  readonly #options: PassthroughOptions;
  readonly #observer: UsageObserver;
  /** Whether what has come ends with a line. */
  #lineEnded = true;

  constructor(options: PassthroughOptions) {
    const { answer, exchange, observer } = options;
    this.#options = options;
    this.exchange = exchange;
    this.#observer = observer;
    this.source = new MergedBodies([Promise.resolve(answer)], (bytes, pieces) => {
      // A refusal is nothing of an answer: it costs nobody tokens.
      if (!this.#refused) exchange.onChunk(pieces);
      this.#lineEnded = bytes.at(-1) === newline;
      this.#observer.push(bytes);
    });
  }

  async begin(): Promise<void> {
    const first = await new Promise<Chunk>((resolve) => {
      this.source.read((piece) => {
        this.source.pause();
        resolve(piece);
      });
    });
    if (first.type === 'broken') throw first.error;
    if (first.type === 'bytes') {
      this.opening = first.bytes;
      return;
    }
    // A stream without a record has no end either.
    if (this.#options.failure !== undefined) throw stoppedEarly();
    this.ended = true;
    this.#end(this.#ending());
  }

  writeChunk(piece: Chunk, outlet: Sink): void {
    if (piece.type === 'bytes') return outlet.write(piece.bytes);
    const error = piece.type === 'broken' ? piece.error : this.#ending();
    this.#end(error);
    const { failure } = this.#options;
    const isWhole = piece.type === 'end' && (failure === undefined || error?.code !== 'upstream_incomplete');
    if (isWhole) return outlet.end();
    if (error === undefined || failure === undefined || !this.#lineEnded) return outlet.abort();
    outlet.write(failure(error));
    outlet.end();
  }

  get #refused(): boolean {
    return this.#options.answer.statusCode >= 400;
  }

  #end(error: GatewayError | undefined): void {
    this.source.complete = error === undefined;
    this.exchange.end(error);
  }

  /** What went wrong with an answer that has come to its end. */
  #ending(): GatewayError | undefined {
    const { finish, outcome } = this.#observer.end();
    if (finish !== undefined) this.exchange.addUsage(finish);
    const failed = this.#refused ? this.#options.answer.statusCode >= 500 : outcome === 'failed';
    if (failed) return new GatewayError('upstream_error', 'The upstream failed.');
    return this.#refused || outcome === 'complete' ? undefined : stoppedEarly();
  }
}
