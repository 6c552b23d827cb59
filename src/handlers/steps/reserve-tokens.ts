import type { Exchange } from '../../exchange/exchange.ts';
import type { Demand } from '../../pool/slots.ts';
import type { Services } from '../../services.ts';

/**
 * Reserves the estimated tokens of a request from the limits of its key and the key's group. What it really took is settled
 * when it ends. The answer's headers say what is left.
 *
 * @throws {GatewayError} 429 if a limit is reached
 */
export async function reserveTokens(
  exchange: Exchange,
  { inputTokens, outputTokens }: Omit<Demand, 'model'>,
  { limiter }: Services,
): Promise<void> {
  exchange.estimate = { inputTokens, outputTokens };
  const { key } = exchange;
  if (key === undefined || key.limitSubjects.length === 0) return;
  const reservation = await limiter.reserve(key.limitSubjects, inputTokens + outputTokens);
  Object.assign(exchange.headers, reservation.headers);
  exchange.onEnd(({ charged }) => reservation.settle(charged.inputTokens + charged.outputTokens));
}
