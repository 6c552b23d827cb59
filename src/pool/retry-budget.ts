/** Requests that may be asked again beyond the share: where there is little traffic, the share alone is none. */
const reserve = 100;

/** Keeps what is asked again within a share of all requests: an upstream that fails is not asked three times as much. */
export class RetryBudget {
  readonly #share: number;
  #left: number;

  /** @param share 0 for nothing */
  constructor(share: number) {
    this.#share = share;
    this.#left = share > 0 ? reserve : 0;
  }

  /** A request came. */
  onRequest(): void {
    this.#left = Math.min(reserve, this.#left + this.#share);
  }

  /** @returns whether one may be asked again; then that is counted */
  tryRetry(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
