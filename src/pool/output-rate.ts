import type { TotalUsage } from '../chat/stream.ts';

/** Tokens per second before the first measurement: more than most servers generate for one request. */
const assumed = 200;

/** Bounds of the rate, in case a server reports wrong counts. */
const [slowest, fastest] = [1, 10_000];

/** Weight of the latest observation in the moving average. */
const smoothing = 0.1;

/** The generation rate of a server. It estimates the output of an answer whose client left before any token arrived. */
export class OutputRate {
  tokensPerSecond = assumed;
  #isMeasured = false;

  /** @param usage the server's own counts for an answer */
  observe({ usage, timings }: TotalUsage): void {
    if (timings.eval === undefined || !(usage.outputTokens > 0)) return;
    const rate = Math.min(Math.max(usage.outputTokens / timings.eval, slowest), fastest);
    // The first observation replaces the assumed rate.
    this.tokensPerSecond += (rate - this.tokensPerSecond) * (this.#isMeasured ? smoothing : 1);
    this.#isMeasured = true;
  }
}
