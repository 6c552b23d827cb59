import type { Tokens } from './ending.ts';

interface Served {
  /** Tokens of the whole request; embeddings generate none. */
  readonly estimate: Tokens;
  /** The usage of earlier answers to the request, if the upstream reported it. */
  readonly counted: Tokens | undefined;
  /** Chunks since the upstream last reported usage; undefined if no chunk arrived. */
  readonly chunks: number | undefined;
  /** Milliseconds at servers. */
  readonly servedMs: number;
  /** Tokens per second that the server generates. */
  readonly outputRate: number;
  readonly maxOutputTokens: number | undefined;
}

/**
 * Charges an answer whose usage the upstream did not report: the estimated prompt, and one token per chunk. If no chunk
 * arrived, the output is estimated from the time at the server. A request that no server served costs nothing.
 */
export function estimatedCharge({ estimate, counted, chunks, servedMs, outputRate, maxOutputTokens }: Served): Tokens {
  if (chunks === undefined && servedMs <= 0) return { inputTokens: 0, outputTokens: 0 };
  const { inputTokens, outputTokens } = estimate;
  const timed = Math.min(Math.ceil((servedMs / 1000) * outputRate), maxOutputTokens ?? outputTokens);
  // Embeddings generate no tokens.
  const generated = outputTokens === 0 ? 0 : (chunks ?? 0) > 0 ? (chunks ?? 0) : timed;
  return {
    inputTokens: inputTokens + (counted?.inputTokens ?? 0),
    outputTokens: generated + (counted?.outputTokens ?? 0),
  };
}
