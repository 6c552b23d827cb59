import type { ExchangeRegistry } from '../exchange/registry.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Logs how the service stops. */
export class StopLog {
  readonly #logger: Logger;
  readonly #exchanges: Pick<ExchangeRegistry, 'size' | 'queued'>;
  readonly #reason: string | undefined;
  readonly #startedAt = performance.now();

  /** @param reason why it stops, such as SIGTERM */
  constructor(logger: Logger, exchanges: Pick<ExchangeRegistry, 'size' | 'queued'>, reason: string | undefined) {
    this.#logger = logger;
    this.#exchanges = exchanges;
    this.#reason = reason;
  }

  /** @param milliseconds for which requests are still accepted. @param over resolves after that time */
  async draining(milliseconds: number, over: Promise<unknown>): Promise<void> {
    this.#log({ drain_ms: milliseconds }, 'draining: /readyz fails, requests are still served');
    await over;
  }

  /** @param grace milliseconds that running requests have to finish */
  stopping(grace: number): void {
    this.#log({ grace_ms: grace }, 'stopping: queued requests are refused, running ones may finish');
  }

  /** @param ended number of requests that did not finish in time */
  stopped(ended: number): void {
    this.#logger.info({ seconds: Number(this.#seconds.toFixed(1)), ended_requests: ended }, 'llamaduct stopped');
  }

  get #seconds(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  #log(fields: object, message: string): void {
    const { size, queued } = this.#exchanges;
    this.#logger.info({ reason: this.#reason, in_flight: size, queued, ...fields }, message);
  }
}
