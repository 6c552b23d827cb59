/** Retries always allowed, so that a low request rate does not round the budget to zero. */
const reserve = 100;

/** Bounds retries to a share of all requests, so that a failing server does not get a multiple of its normal load. */
export class RetryBudget {
  #share: number;
  #available: number;

  /** @param share retries per request; 0 for none at all */
  constructor(share: number) {
    this.#share = share;
    this.#available = share > 0 ? reserve : 0;
  }

  /** Replaces the share. */
  use(share: number): void {
    if (share === this.#share) return;
    this.#share = share;
    this.#available = share > 0 ? reserve : 0;
  }

  /** Counts a request. */
  onRequest(): void {
    this.#available = Math.min(reserve, this.#available + this.#share);
  }

  /** @returns true if a retry is allowed, and counts it */
  tryRetry(): boolean {
    if (this.#available < 1) return false;
    this.#available -= 1;
    return true;
  }
}
