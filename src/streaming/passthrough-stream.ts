import type { UsageObserver } from '../chat/stream.ts';
import { GatewayError, asGatewayError, stoppedEarly } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { recordsIn } from '../framing/records.ts';
import { sseComment } from '../framing/sse.ts';
import type { UpstreamAnswer } from '../upstreams/http/body.ts';
import type { AnswerFilter } from './answer-filter.ts';
import { type Chunk, MergedBodies } from './merged-bodies.ts';
import type { RepetitionWatch } from './repetition-watch.ts';
import type { ResponseStream, Sink } from './response-stream.ts';

const newline = 10;
/** The end of an event: two line breaks. */
const eventEnd = /(\n\r?\n|\r\r)$/;

/** Comments that are held until the answer begins. */
const maxComments = 100;

interface PassthroughOptions {
  readonly answer: UpstreamAnswer;
  readonly observer: UsageObserver;
  readonly exchange: Exchange;
  /** Renders the error that ends a stream of records which breaks off between two of them. Absent for any other answer. */
  readonly failure: ((error: GatewayError) => string) | undefined;
  /** True when some clients ignore that error, so that the connection has to be broken after it. */
  readonly breaksConnection: boolean;
  /** Ends an answer that only repeats itself. Absent: the answer is not watched. */
  readonly watch?: WatchOptions | undefined;
  /** Recognizes a stream that begins with an error, so that another server may be asked. Absent: it is passed on. */
  readonly errorAtStart?: ((bytes: Buffer) => GatewayError | undefined) | undefined;
  /** Changes the answer. Absent: it is passed through unchanged. */
  readonly filter?: AnswerFilter | undefined;
}

interface WatchOptions {
  readonly repetition: RepetitionWatch;
  /** Renders the end of the answer. */
  readonly end: (lastRecords: string) => string;
}

/** An upstream's answer that is passed on unchanged unless it is filtered, while what the upstream counts is observed. */
export class PassthroughStream implements ResponseStream {
  readonly bodies: MergedBodies;
  readonly #options: PassthroughOptions;
  readonly #refused: boolean;
  readonly #isSse: boolean;
  /** The last bytes that were written. */
  #tail: Buffer = Buffer.alloc(0);
  /** The bytes up to and including the first of the answer. */
  #opening: Chunk[] = [];
  /** True while the bytes so far end with a whole line. */
  #lineEnded = true;

  constructor(options: PassthroughOptions) {
    const { answer, exchange, observer } = options;
    this.#options = options;
    this.#refused = answer.statusCode >= 400;
    const type = String(answer.headers['content-type']);
    this.#isSse = type.startsWith('text/event-stream');
    const isStream = this.#isSse || type.startsWith('application/x-ndjson');
    this.bodies = new MergedBodies([Promise.resolve(answer)], (bytes, pieces) => {
      // An error costs no tokens, and the chunks of an answer that is not streamed are not tokens.
      const records = recordsIn(bytes, pieces);
      if (!this.#refused) exchange.onChunk(isStream ? records : 0, isStream || records === 0);
      this.#lineEnded = bytes.at(-1) === newline;
      observer.push(bytes);
    });
  }

  /**
   * Waits for the first of the answer, or its end. Comments in front of it are no answer.
   *
   * @throws {GatewayError} when the upstream fails before anything came
   */
  async open(): Promise<void> {
    const { exchange, failure, errorAtStart } = this.#options;
    const first = await new Promise<Chunk>((resolve) => {
      this.bodies.read((chunk) => {
        this.#opening.push(chunk);
        const isComment = chunk.type === 'bytes' && !this.#refused && exchange.phase !== 'streaming';
        if (isComment && this.#opening.length < maxComments) return;
        this.bodies.pause();
        resolve(chunk);
      });
    });
    if (first.type === 'broken') throw first.error;
    // A stream of records without any record has no end either.
    if (first.type === 'end' && failure !== undefined) throw stoppedEarly();
    const error = first.type === 'bytes' ? errorAtStart?.(first.bytes) : undefined;
    if (error === undefined) return;
    exchange.forgetChunks();
    this.bodies.close();
    throw error;
  }

  start(sink: Sink): void {
    for (const chunk of this.#opening.splice(0)) this.write(chunk, sink);
  }

  write(chunk: Chunk, sink: Sink): void {
    this.#filter(chunk, sink);
    const { watch } = this.#options;
    if (watch === undefined || chunk.type !== 'bytes' || !watch.repetition.push(chunk.bytes)) return;
    // Ends the upstream's work as well.
    this.bodies.complete = true;
    this.bodies.cut = true;
    sink.write(watch.end(chunk.bytes.toString('utf8')));
    sink.end();
  }

  #filter(chunk: Chunk, sink: Sink): void {
    const { filter } = this.#options;
    if (filter === undefined || chunk.type === 'broken') {
      // A filter may hold back text of an event stream that came before the failure.
      const held = this.#isSse && filter !== undefined ? filter.end() : '';
      if (held !== '') sink.write(held);
      return this.#pass(chunk, sink);
    }
    let text: string;
    try {
      text = chunk.type === 'bytes' ? filter.push(chunk.bytes) : filter.end();
    } catch (thrown) {
      return this.#pass({ type: 'broken', choice: 0, error: asGatewayError(thrown) }, sink);
    }
    if (text !== '') {
      sink.write(text);
      this.#tail = Buffer.from(text.slice(-3));
    }
    if (chunk.type === 'end') this.#pass(chunk, sink);
  }

  /** A comment between two events of SSE. Nothing can stand between two lines of JSON, or within an event. */
  keepAlive(): string {
    const isBetween = this.#options.filter !== undefined && this.#tail.length === 0;
    return this.#isSse && (isBetween || eventEnd.test(this.#tail.toString('latin1'))) ? sseComment('keep-alive') : '';
  }

  #pass(chunk: Chunk, sink: Sink): void {
    if (chunk.type === 'bytes') {
      const { bytes } = chunk;
      this.#tail = bytes.length > 2 ? bytes.subarray(-3) : Buffer.concat([this.#tail, bytes]).subarray(-3);
      return sink.write(bytes);
    }
    const error = chunk.type === 'broken' ? chunk.error : this.#failureAtEnd();
    this.bodies.complete = error === undefined;
    const { failure, breaksConnection } = this.#options;
    const endsItself = chunk.type === 'end' && (failure === undefined || error?.code !== 'upstream_incomplete');
    if (error === undefined || endsItself) return sink.end(error);
    if (failure === undefined || !this.#lineEnded) return sink.abort(error);
    sink.write(failure(error));
    if (breaksConnection) sink.abort(error);
    else sink.end(error);
  }

  /** Takes what the upstream counted. @returns why an answer that has ended is not a good one */
  #failureAtEnd(): GatewayError | undefined {
    const { observer, exchange, answer } = this.#options;
    const { finish, outcome } = observer.end();
    if (finish !== undefined) exchange.addUsage(finish);
    const failed = this.#refused ? answer.statusCode >= 500 : outcome === 'failed';
    if (failed) return new GatewayError('upstream_error', 'The upstream failed.').asAnswer(answer.statusCode, true);
    return this.#refused || outcome === 'complete' ? undefined : stoppedEarly();
  }
}
