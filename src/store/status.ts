import { causeOf, isConsequence, reasonOf } from './causes.ts';

/** Why a store cannot be used. */
export interface StoreFault {
  /** A code such as ECONNREFUSED or OOM. */
  readonly cause: string;
  /** The cause in plain words; never the text of an error, which could quote a response. */
  readonly reason: string;
}

interface StatusHooks {
  /** Called after the first attempt to use the store, and whenever it starts to fail or works again. */
  readonly onChange: (up: boolean) => void;
  /** Called when an outage begins, and for each further cause of it. */
  readonly onOutage: (fault: StoreFault) => void;
  /** Called when an outage has ended. @param milliseconds that it lasted */
  readonly onRecovery: (milliseconds: number) => void;
}

/** Milliseconds without a failure that end an outage: a server that is out of memory works now and then. */
const settling = 2_000;

/** Knows whether a store works, from the outcome of whatever uses it. */
export class StoreStatus {
  readonly #hooks: StatusHooks;
  /** The causes of this outage. */
  readonly #causes = new Set<string>();
  #up: boolean | undefined;
  #cause: string | undefined;
  #outageSince = 0;
  #recovery: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(hooks: StatusHooks) {
    this.#hooks = hooks;
  }

  get isUp(): boolean {
    return this.#up !== false;
  }

  /** The cause of the failure; undefined while the store works. */
  get cause(): string | undefined {
    return this.isUp ? undefined : this.#cause;
  }

  succeeded(): void {
    if (this.#up === true || this.#stopped) return;
    this.#up = true;
    this.#hooks.onChange(true);
    if (this.#causes.size === 0) return;
    const lasted = performance.now() - this.#outageSince;
    this.#recovery = setTimeout(() => {
      this.#causes.clear();
      this.#cause = undefined;
      this.#hooks.onRecovery(lasted);
    }, settling).unref();
  }

  failed(error: unknown): void {
    if (this.#stopped) return;
    clearTimeout(this.#recovery);
    if (this.#causes.size === 0) this.#outageSince = performance.now();
    if (this.#up !== false) this.#hooks.onChange(false);
    this.#up = false;
    // The errors of commands that were never sent do not say why.
    if (isConsequence(error) && this.#cause !== undefined) return;
    this.#cause = causeOf(error);
    if (this.#causes.has(this.#cause)) return;
    this.#causes.add(this.#cause);
    this.#hooks.onOutage({ cause: this.#cause, reason: reasonOf(this.#cause) });
  }

  /** Reports nothing from now on. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#recovery);
  }
}
