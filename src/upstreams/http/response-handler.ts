import type { Dispatcher } from 'undici';
import type { Signal } from '../../cancellation.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { type UpstreamAnswer, UpstreamBody } from './body.ts';

/** Milliseconds; 0 for no limit. */
export interface ResponseDeadlines {
  /** Until the head must have arrived. */
  readonly head: number;
  /** Until the body of a response with another status than 2xx must have ended. */
  readonly errorBody: number;
}

/**
 * Receives one response from undici.
 *
 * @see https://undici.nodejs.org/#/docs/api/Dispatcher.md?id=parameter-dispatchhandler
 */
export class ResponseHandler implements Dispatcher.DispatchHandler {
  /** Resolves when the head has arrived. Rejects with undici's error, or with the signal's reason. */
  readonly response: Promise<UpstreamAnswer>;
  readonly #head = Promise.withResolvers<UpstreamAnswer>();
  readonly #signal: Signal;
  #controller: Dispatcher.DispatchController | undefined;
  #body: UpstreamBody | undefined;
  readonly #deadlines: ResponseDeadlines;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param signal aborts the request and its response in every phase
   * @param deadlines in addition to undici's own, some of which begin anew with every byte
   */
  constructor(signal: Signal, deadlines: ResponseDeadlines) {
    this.response = this.#head.promise;
    this.#signal = signal;
    this.#deadlines = deadlines;
    signal.addEventListener('abort', this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#startedAt = performance.now();
    if (this.#signal.aborted) this.handleEvent();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: UpstreamAnswer['headers'],
  ): void {
    // Informational (1xx); the final response follows.
    if (statusCode < 200) return this.#limitHead();
    clearTimeout(this.#timer);
    if (statusCode > 599) return this.#abort(new GatewayError('upstream_protocol_error', unknownStatus));
    if (statusCode >= 300) this.#abortAfter(this.#deadlines.errorBody, 'upstream_idle_timeout', endlessError);
    this.#body = new UpstreamBody(controller);
    this.#head.resolve({ statusCode, headers, body: this.#body });
  }

  onResponseData(_: Dispatcher.DispatchController, bytes: Buffer): void {
    this.#body?.enqueue(bytes);
  }

  onResponseEnd(): void {
    this.#stopListening();
    this.#body?.close();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#stopListening();
    this.#head.reject(error);
    this.#body?.close(error);
  }

  /** Called when the signal is aborted. */
  handleEvent(): void {
    this.#abort(this.#signal.reason as Error);
  }

  /** Limits the time for all informational responses together. */
  #limitHead(): void {
    const { head } = this.#deadlines;
    if (this.#timer !== undefined || head === 0) return;
    const left = head - (performance.now() - this.#startedAt);
    this.#abortAfter(left, 'upstream_timeout', 'The upstream did not answer in time.');
  }

  #abortAfter(milliseconds: number, code: ErrorCode, message: string): void {
    this.#timer = setTimeout(() => this.#abort(new GatewayError(code, message)), milliseconds);
  }

  #abort(reason: Error): void {
    // Rejects here too: while the request waits for a connection there is no controller that could report the abort.
    this.#head.reject(reason);
    this.#controller?.abort(reason);
  }

  #stopListening(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this);
  }
}

const unknownStatus = 'The upstream sent a status that HTTP does not have.';
const endlessError = 'The upstream did not end its error in time.';
