import type { Tap } from '../chat/stream.ts';
import { GatewayError, stoppedEarly } from '../errors.ts';
import type { UpstreamAnswer } from '../upstreams/body.ts';
import type { Exchange } from './exchange.ts';
import type { Flow, Outlet } from './flow.ts';
import { type Piece, Source } from './source.ts';
import type { Upstream } from './upstream.ts';

const newline = 10;

interface Tapping {
  readonly answer: UpstreamAnswer;
  readonly upstream: Upstream;
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
export async function tapped(tapping: Tapping): Promise<Flow> {
  const flow = new TappedFlow(tapping);
  await flow.begin();
  return flow;
}

class TappedFlow implements Flow {
  readonly source: Source;
  readonly exchange: Exchange;
  opening: Uint8Array = new Uint8Array();
  ended = false;
  readonly #tapping: Tapping;
  readonly #tap: Tap;
  /** Whether what has come ends with a line. */
  #lineEnded = true;

  constructor(tapping: Tapping) {
    const { answer, exchange, upstream } = tapping;
    this.#tapping = tapping;
    this.exchange = exchange;
    this.#tap = upstream.backend.tap();
    this.source = new Source([Promise.resolve(answer)], (bytes, pieces) => {
      // A refusal is nothing of an answer: it costs nobody tokens.
      if (!this.#refused) exchange.chunk(pieces);
      this.#lineEnded = bytes.at(-1) === newline;
      this.#tap.push(bytes);
    });
  }

  async begin(): Promise<void> {
    const first = await new Promise<Piece>((resolve) => {
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
    if (this.#tapping.failure !== undefined) throw stoppedEarly();
    this.ended = true;
    this.#end(this.#ending());
  }

  pass(piece: Piece, outlet: Outlet): void {
    if (piece.type === 'bytes') return outlet.send(piece.bytes);
    const error = piece.type === 'broken' ? piece.error : this.#ending();
    this.#end(error);
    const { failure } = this.#tapping;
    const isWhole = piece.type === 'end' && (failure === undefined || error?.code !== 'upstream_incomplete');
    if (isWhole) return outlet.end();
    if (error === undefined || failure === undefined || !this.#lineEnded) return outlet.breakOff();
    outlet.send(failure(error));
    outlet.end();
  }

  get #refused(): boolean {
    return this.#tapping.answer.statusCode >= 400;
  }

  #end(error: GatewayError | undefined): void {
    this.source.complete = error === undefined;
    this.exchange.end(error);
  }

  /** What went wrong with an answer that has come to its end. */
  #ending(): GatewayError | undefined {
    const { finish, outcome } = this.#tap.end();
    if (finish !== undefined) this.exchange.measured(finish);
    const failed = this.#refused ? this.#tapping.answer.statusCode >= 500 : outcome === 'failed';
    if (failed) return new GatewayError('upstream_error', 'The upstream failed.');
    return this.#refused || outcome === 'complete' ? undefined : stoppedEarly();
  }
}
