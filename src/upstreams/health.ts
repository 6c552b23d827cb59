import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import { GatewayError } from '../errors.ts';

interface HealthOptions {
  /** Failures in a row until an upstream is taken out. */
  readonly failures: number;
  /** Milliseconds until it is tried again. */
  readonly recovery: number;
  /** Hears when an upstream is taken out, and when it comes back. */
  readonly onChange: (up: boolean) => void;
}

/** Whether an upstream is worth asking, by what became of requests to it. */
export class Health {
  readonly #breaker: CircuitBreakerPolicy;
  readonly #recovery: number;
  #outSince = 0;

  constructor({ failures, recovery, onChange }: HealthOptions) {
    this.#recovery = recovery;
    this.#breaker = circuitBreaker(handleWhen(isOfTheUpstreamItself), {
      halfOpenAfter: recovery,
      breaker: new ConsecutiveBreaker(failures),
    });
    this.#breaker.onBreak(() => {
      this.#outSince = performance.now();
      onChange(false);
    });
    this.#breaker.onReset(() => onChange(true));
  }

  /** Milliseconds until it may be asked: 0 for now. */
  get downFor(): number {
    if (this.#breaker.state === CircuitState.Closed) return 0;
    return Math.max(0, this.#outSince + this.#recovery - performance.now());
  }

  /** Asks, and learns from what becomes of it. @throws {GatewayError} */
  async watch<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await this.#breaker.execute(ask);
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new GatewayError('upstream_down', 'The upstream cannot be reached.', { cause: error, retryAfter: 5 });
    }
  }
}

/** A model that cannot be loaded, or a request that is refused, says nothing of the others. */
function isOfTheUpstreamItself(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  const { code, cause } = error;
  // With a cause it is the connection that failed.
  return (
    code === 'upstream_unreachable' || code === 'upstream_timeout' || (code === 'upstream_error' && cause !== undefined)
  );
}
