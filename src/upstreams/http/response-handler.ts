import type { Dispatcher } from 'undici';
import type { Signal } from '../../cancellation.ts';
import { type UpstreamAnswer, UpstreamBody } from './body.ts';

/**
 * Receives one answer.
 *
 * @see https://undici.nodejs.org/#/docs/api/Dispatcher.md?id=parameter-dispatchhandler
 */
export class ResponseHandler implements Dispatcher.DispatchHandler {
  /** Resolves when the head is there. Rejects with undici's error, or with the signal's reason. */
  readonly answer: Promise<UpstreamAnswer>;
  readonly #signal: Signal;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #body: UpstreamBody | undefined;

  /** @param signal ends it in every phase */
  constructor(signal: Signal) {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
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
    // Of the real answer nothing is told yet.
    if (statusCode < 200) return;
    this.#body = new UpstreamBody(controller);
    this.#resolve({ statusCode, headers, body: this.#body });
  }

  onResponseData(_: Dispatcher.DispatchController, bytes: Buffer): void {
    this.#body?.push(bytes);
  }

  onResponseEnd(): void {
    this.#over();
    this.#body?.finish();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#over();
    this.#reject(error);
    this.#body?.finish(error);
  }

  /** The signal is aborted. */
  handleEvent(): void {
    const reason = this.#signal.reason as Error;
    // While it waits for a connection there is nothing to abort yet.
    this.#reject(reason);
    this.#controller?.abort(reason);
  }

  #over(): void {
    this.#signal.removeEventListener('abort', this);
  }
}
