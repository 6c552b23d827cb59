import { GatewayError } from '../errors.ts';
import { upstreamDown } from './all-down.ts';

interface HealthOptions {
  /** Consecutive failures after which an upstream is ejected. */
  readonly failures: number;
  /** Milliseconds between two probes of an upstream that is up; 0 when nothing probes it. */
  readonly interval: number;
  /** Milliseconds until an ejected upstream that nothing probes gets a trial request. Absent: ten seconds. */
  readonly recovery?: number;
  /**
   * Called with false on each ejection, including each failed trial or probe of an ejected upstream; with true when it
   * is back.
   */
  readonly onChange: (up: boolean, change: HealthChange) => void;
}

export interface HealthChange {
  /** The last failure. */
  readonly error: unknown;
  /** Failures in a row. */
  readonly failures: number;
  /** Milliseconds since the upstream was ejected; 0 for the ejection itself. */
  readonly ejectedFor: number;
}

export interface HealthState {
  readonly isUp: boolean;
  /** Failures in a row. */
  readonly failures: number;
  /** The failure that last ejected it; undefined if none ever did. */
  readonly error: unknown;
}

/** Milliseconds until the first probe after an ejection. */
const firstProbe = 1_000;

/**
 * A circuit breaker for one upstream, driven by the outcome of requests and probes. An ejected upstream gets no
 * requests until a probe succeeds; without probes, one trial request at a time decides.
 */
export class Health {
  #options: Required<HealthOptions>;
  readonly #ejectedListeners = new Set<() => void>();
  #isUp = true;
  #consecutiveFailures = 0;
  /**
   * Ejections since a request or probe last succeeded while the upstream was up: each one doubles the time to the next
   * probe.
   */
  #ejections = 0;
  /** When it was ejected, or last failed a trial or a probe. */
  #ejectedAt = 0;
  /** When it was ejected. */
  #downSince = 0;
  #error: unknown;
  #onTrial = false;

  constructor(options: HealthOptions) {
    this.#options = { recovery: 10_000, ...options };
  }

  /** Replaces when the upstream is ejected, and how often it is probed. */
  use({ failures, interval }: Pick<HealthOptions, 'failures' | 'interval'>): void {
    this.#options = { ...this.#options, failures, interval };
  }

  /** Milliseconds until the upstream may be used, as far as that is known; 0 for now. */
  get retryInMs(): number {
    if (this.#isUp) return 0;
    const left = this.#ejectedAt + this.#pause - performance.now();
    return this.#options.interval === 0 && !this.#onTrial ? Math.max(0, left) : Math.max(1, left);
  }

  /** The state for operators. */
  get state(): HealthState {
    return { isUp: this.#isUp, failures: this.#consecutiveFailures, error: this.#error };
  }

  /** Milliseconds until the next probe. An ejected upstream is probed soon, then with exponential backoff. */
  get nextProbeInMs(): number {
    return this.#isUp ? this.#options.interval : this.#pause;
  }

  /**
   * @param listener called on each ejection, including each failed trial or probe of an ejected upstream
   * @returns a function that removes the listener
   */
  onEjected(listener: () => void): () => void {
    this.#ejectedListeners.add(listener);
    return () => this.#ejectedListeners.delete(listener);
  }

  /**
   * Runs a client's request and learns from its outcome.
   *
   * @returns what `send` resolves to
   * @throws {GatewayError} `upstream_down` without running `send`; otherwise what `send` throws
   */
  async track<T>(send: () => Promise<T>): Promise<T> {
    if (this.retryInMs > 0) throw upstreamDown();
    const isTrial = !this.#isUp;
    this.#onTrial ||= isTrial;
    try {
      const answer = await send();
      // A request that was under way when the upstream was ejected decides nothing: only the trial and probes do.
      if (isTrial || this.#isUp) this.#recordSuccess();
      return answer;
    } catch (error) {
      if (isTrial || this.#isUp) {
        if (isBroken(error)) this.#recordFailure(error);
        // A trial that the upstream refuses still shows that it answers. Other errors say nothing about the upstream.
        else if (isTrial && error instanceof GatewayError && error.answered !== undefined) this.#recordSuccess();
      }
      throw error;
    } finally {
      if (isTrial) this.#onTrial = false;
    }
  }

  /**
   * Runs a probe, also of an ejected upstream. Any error counts as a failure of the upstream.
   *
   * @throws what `send` throws
   */
  async probe(send: () => Promise<unknown>): Promise<void> {
    try {
      await send();
    } catch (error) {
      this.#recordFailure(error);
      throw error;
    }
    // Does not reset the consecutive failures: an upstream that lists its models and fails all else must still be
    // ejected.
    if (this.#isUp) this.#ejections = 0;
    else this.#recordSuccess();
  }

  get #pause(): number {
    const { interval, recovery } = this.#options;
    return interval === 0 ? recovery : Math.min(interval, firstProbe * 2 ** (this.#ejections - 1));
  }

  #recordSuccess(): void {
    const failures = this.#consecutiveFailures;
    this.#consecutiveFailures = 0;
    if (this.#isUp) {
      this.#ejections = 0;
      return;
    }
    this.#isUp = true;
    const ejectedFor = performance.now() - this.#downSince;
    this.#options.onChange(true, { error: this.#error, failures, ejectedFor });
  }

  #recordFailure(error: unknown): void {
    this.#consecutiveFailures += 1;
    if (this.#isUp && this.#consecutiveFailures < this.#options.failures) return;
    this.#ejectedAt = performance.now();
    if (this.#isUp) this.#downSince = this.#ejectedAt;
    this.#isUp = false;
    this.#error = error;
    this.#ejections += 1;
    const ejectedFor = this.#ejectedAt - this.#downSince;
    this.#options.onChange(false, { error, failures: this.#consecutiveFailures, ejectedFor });
    for (const listener of this.#ejectedListeners) listener();
  }
}

const serverErrors: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/**
 * True when the upstream itself failed. A refusal, or a model that cannot be loaded, says nothing about other requests.
 */
function isBroken(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  const { code, cause, answered } = error;
  if (answered !== undefined) {
    const { status, own } = answered;
    // A server that reports the failure itself may fail with one model only; a proxy in front of it reports that it is
    // gone.
    return !own && serverErrors.has(status);
  }
  // With a cause, the connection failed.
  return (
    code === 'upstream_unreachable' ||
    code === 'upstream_tls_error' ||
    code === 'upstream_timeout' ||
    (code === 'upstream_error' && cause !== undefined)
  );
}
