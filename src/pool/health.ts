import { type CircuitBreakerPolicy, CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { GatewayError } from '../errors.ts';
import { upstreamDown } from './all-down.ts';

interface HealthOptions {
  /** Failures in a row until an upstream is taken out. */
  readonly failures: number;
  /** Milliseconds between two looks at an upstream that is up; 0 where nobody looks. */
  readonly interval: number;
  /** Milliseconds until one that nobody looks at is tried again. Absent: ten seconds. */
  readonly recovery?: number;
  /** Hears when an upstream is taken out, again each time that it does not come back, and when it does. */
  readonly onChange: (up: boolean) => void;
}

/** Milliseconds until the first look at one that was taken out. */
const firstLook = 1_000;

/**
 * Whether an upstream is worth asking, by what became of requests to it and of looks at it. One that was taken out gets no
 * requests until a look at it succeeds; where nobody looks, one request at a time is the trial.
 */
export class Health {
  readonly #breaker: CircuitBreakerPolicy;
  readonly #interval: number;
  readonly #recovery: number;
  #outSince = 0;
  /** How often it was taken out, or did not come back, since it last did what it was asked. */
  #outs = 0;
  #onTrial = false;
  /** Whether it failed since it last did what it was asked. */
  #doubted = false;

  constructor({ failures, interval, recovery = 10_000, onChange }: HealthOptions) {
    this.#interval = interval;
    this.#recovery = recovery;
    // It only hears of outcomes: whoever asked through it would have to wait in it while another is the trial.
    this.#breaker = circuitBreaker(handleAll, { halfOpenAfter: 0, breaker: new ConsecutiveBreaker(failures) });
    this.#breaker.onBreak(() => {
      this.#outSince = performance.now();
      this.#outs += 1;
      onChange(false);
    });
    this.#breaker.onReset(() => onChange(true));
  }

  /** Milliseconds until it may be asked, as far as can be known: 0 for now. */
  get retryInMs(): number {
    if (this.#isUp) return 0;
    const left = this.#outSince + this.#pause - performance.now();
    if (this.#interval === 0 && !this.#onTrial) return Math.max(0, left);
    return Math.max(1, left);
  }

  /** Milliseconds until it should be looked at again: one that was taken out comes back soon, or is given longer each time. */
  get nextProbeInMs(): number {
    return this.#isUp ? this.#interval : this.#pause;
  }

  /** Hears when it is taken out, and each time that it does not come back. @returns a function that stops */
  onEjected(hear: () => void): () => void {
    const heard = this.#breaker.onBreak(hear);
    return () => heard.dispose();
  }

  /** Asks for a client, and learns from what becomes of it. @throws {GatewayError} `upstream_down`, or what `ask` throws */
  async track<T>(ask: () => Promise<T>): Promise<T> {
    if (this.retryInMs > 0) throw upstreamDown();
    const onTrial = !this.#isUp;
    if (onTrial) this.#onTrial = true;
    // Of one that went out meanwhile, only the trial tells more.
    const learn = (up: boolean): Promise<void> | undefined => (onTrial || this.#isUp ? this.#learn(up) : undefined);
    try {
      const answer = await ask();
      await learn(true);
      return answer;
    } catch (error) {
      if (isBroken(error)) await learn(false);
      // Also a refusal is an answer. What else failed tells nothing of the upstream.
      else if (onTrial && error instanceof GatewayError && error.answered !== undefined) await learn(true);
      throw error;
    } finally {
      if (onTrial) this.#onTrial = false;
    }
  }

  /** Looks at it, be it out or not; whatever fails then is a failure of its own. @throws what `ask` throws */
  async probe(ask: () => Promise<unknown>): Promise<void> {
    try {
      await ask();
    } catch (error) {
      await this.#learn(false);
      throw error;
    }
    // One that lists its models and answers nothing else would never have its failures in a row.
    if (this.#isUp) this.#outs = 0;
    else await this.#learn(true);
  }

  get #isUp(): boolean {
    return this.#breaker.state === CircuitState.Closed;
  }

  get #pause(): number {
    return this.#interval === 0 ? this.#recovery : Math.min(this.#interval, firstLook * 2 ** (this.#outs - 1));
  }

  /** @returns resolves when it is learned; undefined for what is no news */
  #learn(up: boolean): Promise<void> | undefined {
    if (up && this.#isUp) {
      this.#outs = 0;
      if (!this.#doubted) return undefined;
    }
    this.#doubted = !up;
    const outcome = (): void => {
      if (!up) throw new Error('The upstream failed.');
    };
    return this.#breaker.execute(outcome).catch(() => undefined);
  }
}

const broken: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Whether it is the upstream itself that failed: a model that cannot be loaded, or a refusal, says nothing of others. */
function isBroken(error: unknown): boolean {
  if (!(error instanceof GatewayError)) return false;
  const { code, cause, answered } = error;
  if (answered !== undefined) {
    const { status, own } = answered;
    // A server that tells of a failure itself, be it one before others, may fail with one model only.
    return !own && broken.has(status);
  }
  // With a cause it is the connection that failed.
  return (
    code === 'upstream_unreachable' || code === 'upstream_timeout' || (code === 'upstream_error' && cause !== undefined)
  );
}
