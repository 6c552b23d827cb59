import { asGatewayError, type GatewayError } from '../../errors.ts';
import { afterOutput } from '../../streaming/after-output.ts';
import type { Chunk, MergedBodies } from '../../streaming/merged-bodies.ts';
import type { ResponseStream, Sink } from '../../streaming/response-stream.ts';
import type { SearchTurn } from '../../chat/search.ts';
import type { SearchEncoder } from './encoder.ts';
import type { SearchSession } from './session.ts';
import { TurnBodies } from './turn-bodies.ts';

/** One turn of an answer. */
export interface TurnStream extends ResponseStream {
  readonly bodies: MergedBodies;
}

interface SearchingOptions {
  readonly encoder: SearchEncoder;
  readonly session: SearchSession;
  /** Gets the next turn, of which some has come. */
  readonly next: (turn: SearchTurn) => Promise<TurnStream>;
  /** Resolves when the complete answer is stored; the client gets its end after that. */
  readonly stored: (() => Promise<void> | undefined) | undefined;
}

/** A streamed answer of several turns. After each but the last one the web is searched, while no server is occupied. */
export class SearchingStream implements ResponseStream {
  readonly bodies = new TurnBodies();
  readonly #options: SearchingOptions;
  #turn: TurnStream;
  #ended = false;

  /** @param first the first turn, of which some has come */
  constructor(first: TurnStream, options: SearchingOptions) {
    this.#turn = first;
    this.#options = options;
    this.bodies.use(first.bodies);
  }

  start(sink: Sink): void {
    this.#turn.start(this.#turnSink(sink));
  }

  write(chunk: Chunk, sink: Sink): void {
    if (this.bodies.isCurrent(chunk)) this.#turn.write(chunk, this.#turnSink(sink));
  }

  keepAlive(): string {
    return this.#ended ? '' : this.#options.encoder.keepAlive();
  }

  /** @returns a sink for one turn, whose end need not be the end of the answer */
  #turnSink(sink: Sink): Sink {
    return {
      get ready() {
        return sink.ready;
      },
      write: (data) => sink.write(data),
      abort: (error, apart) => {
        this.#ended = true;
        sink.abort(error, apart);
      },
      end: (error) => {
        if (error === undefined && this.#options.encoder.calls.length > 0) void this.#goOn(sink);
        else this.#end(sink, error);
      },
    };
  }

  #end(sink: Sink, error?: GatewayError): void {
    this.#ended = true;
    sink.end(error);
  }

  /** Searches, and then sends the next turn. Never rejects. */
  async #goOn(sink: Sink): Promise<void> {
    const { encoder, session, next, stored } = this.#options;
    this.bodies.endTurn();
    try {
      const searches = await session.run(encoder.calls);
      const { text, turn } = encoder.results(searches);
      if (text !== '') sink.write(text);
      if (encoder.callsOthers) {
        const last = encoder.endHeld();
        await stored?.();
        sink.write(last);
        this.#end(sink);
        return;
      }
      this.#turn = await next(turn);
      if (this.bodies.closed) return this.#turn.bodies.close();
      this.bodies.use(this.#turn.bodies);
      this.start(sink);
      // A turn that came at once has ended by now, and there is nothing to read.
      this.bodies.proceed();
    } catch (thrown) {
      this.#fail(sink, afterOutput(asGatewayError(thrown)));
    }
  }

  #fail(sink: Sink, error: GatewayError): void {
    const { encoder } = this.#options;
    if (this.#ended) return;
    this.#ended = true;
    sink.write(encoder.fail(error));
    if (encoder.breaksConnection) sink.abort(error, encoder.failApart(error));
    else sink.end(error);
  }
}
