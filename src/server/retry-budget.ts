/** Requests that may be asked again beyond the share: those that one upstream had when it went. */
const reserve = 100;

/** Keeps what is asked again within a share of all requests: an upstream that fails is not asked three times as much. */
export class RetryBudget {
  readonly #share: number;
  #left = reserve;

  constructor(share: number) {
    this.#share = share;
  }

  /** A request came. */
  request(): void {
    this.#left = Math.min(reserve, this.#left + this.#share);
  }

  /** @returns whether one may be asked again; then that is counted */
  retry(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
