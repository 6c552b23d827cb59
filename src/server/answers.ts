import type { ChatResult } from '../chat/fold.ts';
import { totalOf } from '../chat/total.ts';
import { GatewayError } from '../errors.ts';
import { type Adapted, type Asked, ask, demandOf } from './ask.ts';
import { collect } from './collect.ts';
import { decodersOf } from './decoders.ts';
import type { Exchange } from './exchange.ts';
import type { Prepared } from './prepare.ts';
import type { LocalServices } from './services.ts';
import { Source } from './source.ts';
import type { Part } from './turn.ts';
import { anew, followsSchema } from './validation.ts';

/** The upstream's answers, one for each choice, as they begin. */
export interface Answers {
  readonly coming: readonly Promise<Pick<Asked, 'body'>>[];
  /** Gives up those that have not begun: nobody wants the answer any more, or another upstream is asked for it. */
  readonly giveUp: () => void;
}

interface Attempt extends Pick<Answers, 'giveUp'> {
  readonly part: Part;
}

/**
 * Asks for every choice at once, and waits for the first to begin: an upstream may serve one after the other. A choice
 * that fails later breaks the answer then.
 *
 * @throws {GatewayError} when a choice is refused before any began
 */
export async function askAll(
  { requests, demands, mayTruncate }: Prepared,
  services: LocalServices,
  exchange: Exchange,
): Promise<{ adapted: Adapted; answers: Answers }> {
  const { part, giveUp } = requests.length === 1 ? allOf(exchange) : partOf(exchange, requests.length);
  const coming = requests.map((request, choice) => {
    const demand = demands[choice] ?? demandOf(request);
    return ask({ request, demand, mayTruncate }, services, exchange, part);
  });
  for (const one of coming) one.catch(() => undefined);
  try {
    return { adapted: await Promise.race(coming), answers: { coming, giveUp } };
  } catch (error) {
    giveUp();
    throw error;
  }
}

/** There is nothing to give up where one choice failed, and it was the only one. */
function allOf({ signal }: Exchange): Attempt {
  return { part: { share: 1, signal }, giveUp: () => undefined };
}

function partOf(exchange: Exchange, choices: number): Attempt {
  const attempt = new AbortController();
  return {
    part: { share: 1 / choices, signal: AbortSignal.any([exchange.abortSignal, attempt.signal]) },
    giveUp: () => attempt.abort(new GatewayError('upstream_error', 'The answer is not wanted any more.')),
  };
}

/** Answers as what arrives, which the exchange hears of. */
export function sourceOf({ coming, giveUp }: Answers, exchange: Exchange): Source {
  return new Source(coming, (_, pieces) => exchange.chunk(pieces), giveUp);
}

/**
 * Reads what every choice came to; one that does not follow its schema is asked for once more, where that is wanted.
 *
 * @throws {GatewayError} when the upstream fails or stops before its answer is complete
 */
export async function wholeAnswers(
  prepared: Prepared,
  services: LocalServices,
  exchange: Exchange,
): Promise<{ adapted: Adapted; results: readonly ChatResult[] }> {
  const { config } = services;
  const { adapted, answers } = await askAll(prepared, services, exchange);
  const results = await collected(answers, prepared, services, exchange);
  if (!config.validate_json) return { adapted, results };
  const valid = await Promise.all(
    results.map(async (result, choice) => {
      const request = prepared.requests[choice];
      if (request === undefined || followsSchema(request, result)) return result;
      const another = anew(request);
      const { mayTruncate } = prepared;
      const answer = ask({ request: another, demand: demandOf(another), mayTruncate }, services, exchange);
      const stops = [prepared.stops[choice] ?? []];
      const once = { ...prepared, requests: [another], stops } as const;
      const [again] = await collected(only(answer), once, services, exchange);
      if (again !== undefined && followsSchema(request, again)) return again;
      throw new GatewayError('upstream_error', "The model's answer does not follow the schema that was asked for.");
    }),
  );
  return { adapted, results: valid };
}

/** Reads answers whole, and tells the exchange what they took. */
async function collected(
  answers: Answers,
  prepared: Prepared,
  services: LocalServices,
  exchange: Exchange,
): Promise<ChatResult[]> {
  const source = sourceOf(answers, exchange);
  const results = await collect(source, decodersOf(prepared, services, source), services.config.limits.body);
  exchange.measured(totalOf(results));
  return results;
}

function only(answer: Promise<Asked>): Answers {
  return { coming: [answer], giveUp: () => undefined };
}
