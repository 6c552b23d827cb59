import type { Dispatcher } from 'undici';
import type { Signal } from '../../cancellation.ts';
import { type UpstreamAnswer, UpstreamBody } from './body.ts';

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

  /** @param signal aborts the request and its response in every phase */
  constructor(signal: Signal) {
    this.response = this.#head.promise;
    this.#signal = signal;
    signal.addEventListener('abort', this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal.aborted) this.handleEvent();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: UpstreamAnswer['headers'],
  ): void {
    // Informational (1xx); the final response follows.
    if (statusCode < 200) return;
    this.#body = new UpstreamBody(controller);
    this.#head.resolve({ statusCode, headers, body: this.#body });
  }

  onResponseData(_: Dispatcher.DispatchController, bytes: Buffer): void {
    this.#body?.enqueue(bytes);
  }

  onResponseEnd(): void {
    this.#signal.removeEventListener('abort', this);
    this.#body?.close();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#signal.removeEventListener('abort', this);
    this.#head.reject(error);
    this.#body?.close(error);
  }

  /** Called when the signal is aborted. */
  handleEvent(): void {
    const reason = this.#signal.reason as Error;
    // Rejects here too: while the request waits for a connection there is no controller that could report the abort.
    this.#head.reject(reason);
    this.#controller?.abort(reason);
  }
}
