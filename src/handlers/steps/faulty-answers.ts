import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChatResult } from '../../chat/accumulator.ts';
import type { GenerationRequest } from '../../chat/request.ts';
import { GatewayError } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { UpstreamServices } from '../../services.ts';
import type { PreparedCall } from './apply-rules.ts';
import { hasFaultyCalls, withFaults } from './repair-calls.ts';
import { matchesSchema, withAnotherSeed } from './validation.ts';

/** Finds faulty answers, and says how the model is asked again. */
export interface Check {
  /** Maximum number of times that one choice is requested again. */
  readonly attempts: number;
  readonly isFaulty: (request: GenerationRequest, result: ChatResult) => boolean;
  /** Makes the next request, from the client's own and the last answer to it. */
  readonly next: (request: GenerationRequest, result: ChatResult) => GenerationRequest;
  /** True if a faulty answer is better than none. */
  readonly sendsFaulty: boolean;
  /** Called for each choice that was requested again. */
  readonly onEnd?: (outcome: 'repaired' | 'failed') => void;
}

/** Requests the answer to a choice once more. */
export type Repeat = (request: GenerationRequest, choice: number) => Promise<ChatResult>;

/** @returns the checks for the answers to a call */
export function checksOf({ repairs, validatesJson, requests }: PreparedCall, services: UpstreamServices): Check[] {
  const { metrics, upstream } = services;
  const labels = { model: upstream.catalog.label(requests[0].model), upstream: upstream.name };
  const calls: Check = {
    attempts: repairs,
    isFaulty: hasFaultyCalls,
    next: withFaults,
    sendsFaulty: true,
    onEnd: (outcome) => metrics.answers.toolRepairs.inc({ ...labels, outcome }),
  };
  const schema: Check = {
    attempts: 1,
    isFaulty: (request, result) => !matchesSchema(request, result),
    next: withAnotherSeed,
    sendsFaulty: false,
  };
  return [...(repairs > 0 ? [calls] : []), ...(validatesJson ? [schema] : [])];
}

interface Asking {
  readonly repeat: Repeat;
  readonly exchange: Exchange;
}

/**
 * Requests faulty answers again.
 *
 * @returns the answers, of which only those of a check with `sendsFaulty` may still be faulty
 * @throws {GatewayError} when the exchange was cancelled, and without `sendsFaulty` when an answer stays faulty or a request fails
 */
export async function withoutFaults(
  results: readonly ChatResult[],
  requests: PreparedCall['requests'],
  check: Check,
  asking: Asking,
): Promise<readonly ChatResult[]> {
  const faulty: number[] = [];
  for (const [choice, result] of results.entries()) {
    // Each check blocks the event loop.
    if (choice > 0) await nextTurn();
    if (check.isFaulty(requests[choice] ?? requests[0], result)) faulty.push(choice);
  }
  const repaired = [...results];
  await Promise.all(
    faulty.map(async (choice) => {
      const result = results[choice];
      if (result !== undefined) repaired[choice] = await askAgain(result, requests, { check, choice }, asking);
    }),
  );
  return repaired;
}

async function askAgain(
  first: ChatResult,
  requests: PreparedCall['requests'],
  { check, choice }: { readonly check: Check; readonly choice: number },
  { repeat, exchange }: Asking,
): Promise<ChatResult> {
  const request = requests[choice] ?? requests[0];
  let last = first;
  try {
    for (let attempt = 0; attempt < check.attempts; attempt += 1) {
      last = await repeat(check.next(request, last), choice);
      if (check.isFaulty(request, last)) continue;
      check.onEnd?.('repaired');
      return last;
    }
  } catch (error) {
    if (!check.sendsFaulty || exchange.signal.aborted) throw error;
  }
  check.onEnd?.('failed');
  if (check.sendsFaulty) return last;
  throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
}
