import type { Usage } from '../chat/event.ts';
import type { TotalUsage } from '../chat/stream.ts';
import type { GatewayError } from '../errors.ts';
import type { Outcome } from '../telemetry/metrics.ts';

/** Tokens that count against limits and budgets. */
export type Tokens = Pick<Usage, 'inputTokens' | 'outputTokens'>;

/** The end of an exchange. */
export interface Ending {
  readonly outcome: Outcome;
  readonly failure: GatewayError | undefined;
  readonly seconds: number;
  /** Seconds from the request's arrival to the first chunk of its answer; undefined if none came. */
  readonly secondsToFirstChunk: number | undefined;
  /** The upstream's own counts; undefined if it reported none. */
  readonly usage: TotalUsage | undefined;
  readonly charged: Tokens;
}

/** @param status that of the answer, for an exchange that did not fail */
export function outcomeOf(failure: GatewayError | undefined, status: number): Outcome {
  if (failure === undefined) return status < 400 ? 'ok' : status < 500 ? 'client_error' : 'upstream_error';
  if (failure.code === 'client_closed') return 'client_closed';
  if (failure.fromUpstream) return 'upstream_error';
  return failure.status < 500 ? 'client_error' : 'server_error';
}
