import type { ChatResult } from '../../chat/accumulator.ts';
import { sumUsage } from '../../chat/sum-usage.ts';
import { GatewayError } from '../../errors.ts';
import { type Adaptations, type PendingAnswer, send, demandOf } from './send.ts';
import { collect } from '../../streaming/collect.ts';
import { choiceDecoders } from './decoders.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PreparedCall } from './apply-rules.ts';
import type { UpstreamServices } from '../../services.ts';
import { MergedBodies } from '../../streaming/merged-bodies.ts';
import type { ExchangeShare } from '../../pool/slots.ts';
import { withAnotherSeed, matchesSchema } from './validation.ts';

/** The upstream's answers, one for each choice, as they begin. */
export interface PendingChoices {
  readonly answers: readonly Promise<Pick<PendingAnswer, 'body'>>[];
  /** Gives up those that have not begun: nobody wants the answer any more, or another upstream is asked for it. */
  readonly cancel: () => void;
}

interface Attempt extends Pick<PendingChoices, 'cancel'> {
  readonly part: ExchangeShare;
}

/**
 * Asks for every choice at once, and waits for the first to begin: an upstream may serve one after the other. A choice
 * that fails later breaks the answer then.
 *
 * @throws {GatewayError} when a choice is refused before any began
 */
export async function sendChoices(
  { requests, demands, mayTruncate }: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<{ adapted: Adaptations; answers: PendingChoices }> {
  const { part, cancel } = requests.length === 1 ? allOf(exchange) : partOf(exchange, requests.length);
  const answers = requests.map((request, choice) => {
    const demand = demands[choice] ?? demandOf(request);
    return send({ request, demand, mayTruncate }, services, exchange, part);
  });
  for (const one of answers) one.catch(() => undefined);
  try {
    return { adapted: await Promise.race(answers), answers: { answers, cancel } };
  } catch (error) {
    cancel();
    throw error;
  }
}

/** There is nothing to give up where one choice failed, and it was the only one. */
function allOf({ signal }: Exchange): Attempt {
  return { part: { fraction: 1, signal }, cancel: () => undefined };
}

function partOf(exchange: Exchange, choices: number): Attempt {
  const attempt = new AbortController();
  return {
    part: { fraction: 1 / choices, signal: AbortSignal.any([exchange.abortSignal, attempt.signal]) },
    cancel: () => attempt.abort(new GatewayError('upstream_error', 'The answer is not wanted any more.')),
  };
}

/** Answers as what arrives, which the exchange hears of. */
export function mergeChoices({ answers, cancel }: PendingChoices, exchange: Exchange): MergedBodies {
  return new MergedBodies(answers, (_, pieces) => exchange.onChunk(pieces), cancel);
}

/**
 * Reads what every choice came to; one that does not follow its schema is asked for once more, where that is wanted.
 *
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function collectChoices(
  prepared: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<{ adapted: Adaptations; results: readonly ChatResult[] }> {
  const { config } = services;
  const { adapted, answers } = await sendChoices(prepared, services, exchange);
  const results = await collected(answers, prepared, services, exchange);
  if (!config.validate_json) return { adapted, results };
  const valid = await Promise.all(
    results.map(async (result, choice) => {
      const request = prepared.requests[choice];
      if (request === undefined || matchesSchema(request, result)) return result;
      const another = withAnotherSeed(request);
      const { mayTruncate } = prepared;
      const answer = send({ request: another, demand: demandOf(another), mayTruncate }, services, exchange);
      const stops = [prepared.stops[choice] ?? []];
      const once = { ...prepared, requests: [another], stops } as const;
      const [again] = await collected(only(answer), once, services, exchange);
      if (again !== undefined && matchesSchema(request, again)) return again;
      throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
    }),
  );
  return { adapted, results: valid };
}

/** Reads answers whole, and tells the exchange what they took. */
async function collected(
  answers: PendingChoices,
  prepared: PreparedCall,
  services: UpstreamServices,
  exchange: Exchange,
): Promise<ChatResult[]> {
  const source = mergeChoices(answers, exchange);
  const results = await collect(source, choiceDecoders(prepared, services, source), services.config.limits.body);
  exchange.addUsage(sumUsage(results));
  return results;
}

function only(answer: Promise<PendingAnswer>): PendingChoices {
  return { answers: [answer], cancel: () => undefined };
}
