import { randomUUID } from 'node:crypto';
import type { TotalUsage } from '../chat/stream.ts';
import { sumUsage } from '../chat/sum-usage.ts';
import { Cancellation, type Signal } from '../cancellation.ts';
import { GatewayError, asGatewayError } from '../errors.ts';
import type { Key } from '../policy/keys.ts';
import type { Forecast } from '../scheduling/forecast.ts';
import type { Phase } from '../telemetry/metrics.ts';
import type { Admitted } from './admitted.ts';
import { estimatedCharge } from './estimated-charge.ts';
import { type Ending, type Tokens, outcomeOf } from './ending.ts';
import { FirstTokenTimers, noExtension, noTimer } from './first-token-timers.ts';

/** Called as exchanges run and end. */
export interface ExchangeObservers {
  /** Returns the histogram for the gaps between the chunks of an answer, in seconds. */
  readonly chunkGaps: (exchange: Exchange) => { observe(seconds: number): void };
  readonly ended: (exchange: Exchange, ending: Ending) => void;
  /** Called when the service has stopped, after the last exchange. */
  readonly stopped: () => void;
}

/**
 * One request and its answer, from the request's head to the answer's last byte. Its signal ends the upstream request. An
 * exchange ends once; that of a stream ends with the last byte, not when its handler returns.
 */
export class Exchange {
  readonly method: string;
  /** The route's pattern. */
  route = 'unmatched';
  /** True if the route runs a model. */
  runsModel = false;
  /** Prefix of the generated id. */
  idPrefix = 'req_';
  /** Address of the client: an IP address, or `unix` for a Unix socket; undefined outside Node. */
  client: string | undefined;
  key: Key | undefined;
  /** Undefined until the request is admitted. */
  admitted: Admitted | undefined;
  /** True if the client says that nobody waits for the answer. */
  batch = false;
  model: string | undefined;
  /** The model's own name and the alias that the client used, for the patterns of its key. */
  modelNames: readonly string[] | undefined;
  /** Name of the server that the request was last sent to. */
  upstream: string | undefined;
  status = 200;
  /** True if a sink ends this exchange, after its handler has returned. */
  endedBySink = false;
  phase: Phase = 'request';
  /** Estimated tokens. Embeddings generate none. */
  estimate: Tokens = { inputTokens: 0, outputTokens: 0 };
  /** Maximum output tokens to charge for the time at a server. Absent: the estimated output tokens. */
  maxOutputTokens: number | undefined;
  /** Tokens per second that the current server generates. */
  outputRate = 0;
  /** Milliseconds that it waited for a slot. */
  queuedMs = 0;
  /** Number of its choices that wait for a slot. */
  waitingChoices = 0;
  /** Number of its choices that got a slot. */
  startedChoices = 0;
  /** Number of answers that it gets from the model: one, and one more after each round of web searches. */
  turns = 1;
  /** Number of web searches; undefined if there were none. */
  searches: number | undefined;
  /** Returns its position in the queue while it waits; with several choices, that of the first. */
  queuePosition: (() => Forecast | undefined) | undefined;
  /** Milliseconds on the clock of `performance.now()`. */
  readonly startedAt = performance.now();
  /** Headers of every answer to it, errors included. */
  readonly headers: Record<string, string> = {};
  /** True when the client chose the id. */
  readonly idIsChosen: boolean;
  /** Aborted with a GatewayError when the client leaves, the service stops or the exchange fails. See also `attemptSignal`. */
  readonly signal: Signal;
  /** Aborted with `signal`, or earlier when the current attempt to get the answer is given up. */
  attemptSignal: Signal;

  readonly #observers: ExchangeObservers;
  readonly #cancellation = new Cancellation();
  /** Cancels the current attempt; the exchange itself before the first one. */
  #attempt = this.#cancellation;
  #id: string | undefined;
  /** The time of the first chunk: in the current turn, and in all turns. */
  #firstChunkAt: number | undefined;
  #firstOfAllAt: number | undefined;
  #lastChunkAt = 0;
  /** Chunks that arrived since the upstream last reported usage. */
  #chunks = 0;
  /** Number of slots in use, and the sum of their start times on the clock of `performance.now()`. */
  #slots = 0;
  #slotsSince = 0;
  /** Total milliseconds of the slots that were given back. */
  #servedMs = 0;
  #gaps: { observe(seconds: number): void } | undefined;
  readonly #endListeners: ((ending: Ending) => void)[] = [];
  readonly #firstTokenTimers = new FirstTokenTimers();
  #totalTimer: NodeJS.Timeout | undefined;
  #usage: TotalUsage | undefined;
  #ending: Ending | undefined;

  /** @param clientId the request id that the client sent, if any */
  constructor(method: string, clientId: string | undefined, observers: ExchangeObservers) {
    this.method = method;
    this.signal = this.#cancellation;
    this.attemptSignal = this.#cancellation;
    this.#id = clientId;
    this.idIsChosen = clientId !== undefined;
    this.#observers = observers;
  }

  /** The `x-request-id` in log lines and answers. */
  get id(): string {
    this.#id ??= this.idPrefix + randomUUID().replaceAll('-', '');
    return this.#id;
  }

  /**
   * Begins an attempt to get the answer from a server. It ends with the exchange, or on its own when the server stays silent
   * for too long; another attempt may follow then.
   */
  beginAttempt(): void {
    this.#attempt = new Cancellation();
    this.attemptSignal = this.#attempt;
    if (this.signal.aborted) this.#attempt.abort(this.signal.reason);
    this.phase = 'waiting';
  }

  /** The same as `attemptSignal`, for APIs that take nothing else. */
  get attemptAbortSignal(): AbortSignal {
    return this.#attempt.signal;
  }

  /** Calls `listener` once the exchange ends; at once if it has ended. */
  onEnd(listener: (ending: Ending) => void): void {
    if (this.#ending === undefined) this.#endListeners.push(listener);
    else listener(this.#ending);
  }

  /** The same as `signal`, for APIs that take nothing else. */
  get abortSignal(): AbortSignal {
    return this.#cancellation.signal;
  }

  /**
   * Ends the attempt if no chunk arrives within `milliseconds`; 0 for no limit. With several choices the first timer that
   * fires decides.
   *
   * @param extension called when the time is over; returns how many more milliseconds the attempt gets, 0 for none
   * @returns a function that stops the timer
   */
  startFirstTokenTimer(milliseconds: number, extension: () => number = noExtension): () => void {
    if (milliseconds === 0 || this.#firstChunkAt !== undefined) return noTimer;
    return this.#firstTokenTimers.start(this.#attempt, milliseconds, extension);
  }

  /** Cancels the exchange if it has not ended after `milliseconds`; 0 for no limit. */
  startTotalTimer(milliseconds: number): void {
    // A request that is sent again in another form keeps its time.
    if (milliseconds === 0 || this.#totalTimer !== undefined) return;
    this.#totalTimer = setTimeout(() => {
      this.cancel(new GatewayError('total_timeout', 'The request took longer than its time limit.'));
    }, milliseconds);
  }

  /** True while it waits in the queue and none of its choices has a slot. */
  get isQueued(): boolean {
    return this.waitingChoices > 0 && this.startedChoices === 0;
  }

  /** True once a server works on it, or has begun to. */
  get isRunning(): boolean {
    return this.phase === 'streaming' || this.hasSlot || (!this.runsModel && this.phase !== 'request');
  }

  /** The answer so far: its chunks, and when the first came on the clock of `performance.now()`. */
  get progress(): { readonly chunks: number; readonly firstChunkAt: number | undefined } {
    return { chunks: this.#chunks, firstChunkAt: this.#firstChunkAt };
  }

  /** True if a server works on one of its choices. */
  get hasSlot(): boolean {
    return this.#slots > 0;
  }

  cancel(reason: GatewayError): void {
    if (this.#ending === undefined) this.#abort(reason);
  }

  #abort(reason: GatewayError): void {
    this.#cancellation.abort(reason);
    this.#attempt.abort(reason);
  }

  /** Called when the client's connection closes, whether or not the answer is complete. */
  onClientLeft(): void {
    // Every connection closes, and creating an error captures a stack, which is slow.
    if (this.#ending === undefined) this.cancel(new GatewayError('client_closed', 'The client closed the connection.'));
  }

  /**
   * Called when bytes of an answer arrive from the upstream.
   *
   * @param chunks how many of its chunks, at once; 0 for bytes of a stream that are not of the answer, such as a comment
   * @param isStream false for an answer that comes as a whole, whose chunks are not counted
   */
  onChunk(chunks: number, isStream = true): void {
    if (chunks === 0 && isStream) return;
    const now = performance.now();
    this.#chunks += chunks;
    if (this.#firstChunkAt === undefined) {
      this.#firstChunkAt = now;
      this.#firstTokenTimers.stop();
      this.phase = 'streaming';
    } else if (this.model !== undefined) {
      this.#gaps ??= this.#observers.chunkGaps(this);
      this.#gaps.observe((now - this.#lastChunkAt) / 1000);
    }
    this.#lastChunkAt = now;
  }

  /** Called when the chunks so far turn out to be no part of an answer, so that another server may be asked. */
  forgetChunks(): void {
    this.#chunks = 0;
    this.#firstChunkAt = undefined;
    this.phase = 'waiting';
  }

  /** Called when the model is asked again, with the results of web searches. The usage of the turn before is known by then. */
  beginTurn(): void {
    this.turns += 1;
    this.#firstOfAllAt ??= this.#firstChunkAt;
    this.forgetChunks();
  }

  /** Called when a server starts to serve one of its choices. @param now on the clock of `performance.now()` */
  onServiceStart(now: number): void {
    this.#slots += 1;
    this.#slotsSince += now;
  }

  /**
   * Called when a server has finished with one of its choices.
   *
   * @param since the time passed to `onServiceStart`
   * @param counts false when the server failed or refused, so that its time is not charged
   */
  onServiceEnd(since: number, counts: boolean): void {
    this.#slots -= 1;
    this.#slotsSince -= since;
    if (counts) this.#servedMs += performance.now() - since;
  }

  /** Takes what the upstream counted for an answer. The counts of several answers add up. */
  addUsage(usage: TotalUsage): void {
    this.#chunks = 0;
    this.#usage = this.#usage === undefined ? usage : sumUsage([this.#usage, usage]);
  }

  /** Ends the exchange; later calls do nothing. @param thrown what went wrong, if anything did */
  end(thrown?: unknown): void {
    if (this.#ending !== undefined) return;
    // After an abort, whatever broke is a consequence of it.
    const error: unknown = this.signal.aborted ? this.signal.reason : thrown;
    const failure = error === undefined ? undefined : asGatewayError(error);
    const usage = this.#usage;
    const firstChunkAt = this.#firstOfAllAt ?? this.#firstChunkAt;
    const ending: Ending = {
      outcome: outcomeOf(failure, this.status),
      failure,
      seconds: (performance.now() - this.startedAt) / 1000,
      secondsToFirstChunk: firstChunkAt === undefined ? undefined : (firstChunkAt - this.startedAt) / 1000,
      usage,
      charged: usage !== undefined && this.#chunks === 0 ? usage.usage : this.#estimatedCharge(),
    };
    this.#ending = ending;
    this.#firstTokenTimers.stop();
    clearTimeout(this.#totalTimer);
    this.admitted?.leave();
    for (const listener of this.#endListeners) listener(ending);
    this.#observers.ended(this, ending);
    if (failure !== undefined) this.#abort(failure);
  }

  /** The tokens to charge if the upstream did not report the usage. */
  #estimatedCharge(): Tokens {
    return estimatedCharge({
      estimate: this.estimate,
      counted: this.#usage?.usage,
      chunks: this.#firstChunkAt === undefined ? undefined : this.#chunks,
      servedMs: this.#servedMs + this.#slots * performance.now() - this.#slotsSince,
      outputRate: this.outputRate,
      maxOutputTokens: this.maxOutputTokens,
    });
  }
}
