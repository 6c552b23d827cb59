import { type Countable, countable } from '../../chat/countable.ts';
import type { TotalUsage } from '../../chat/stream.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';
import type { PreparedCall } from './apply-rules.ts';

/**
 * Learns how many tokens a prompt has, when the server that answers has counted them.
 *
 * @param isCount true for a request that only counts, which is always learned from
 */
export function learnTokens(
  prepared: PreparedCall,
  { tokenCounter }: Services,
  exchange: Exchange,
  isCount: boolean,
): void {
  if (!isCount && !tokenCounter.wants(prepared.requests[0].model)) return;
  const prompt = countablePrompt(prepared);
  if (prompt === undefined) return;
  exchange.onEnd(({ usage }) => {
    // The usage of several turns is that of several prompts.
    if (usage !== undefined && exchange.turns === 1) {
      tokenCounter.learn(prompt.model, prompt.size, usage.usage.inputTokens);
    }
  });
}

/**
 * Counts the tokens of a prompt without a server. The first request about a model of which nothing is known goes to a server, and
 * the others wait for it, so that an editor that counts at every keystroke starts one generation. If the client of the first one
 * leaves, the next one takes its place.
 *
 * @returns undefined if a server has to count
 * @throws {GatewayError} when the client leaves
 */
export async function countTokens(
  prepared: PreparedCall,
  { tokenCounter }: Services,
  exchange: Exchange,
): Promise<TotalUsage | undefined> {
  const prompt = countablePrompt(prepared);
  if (prompt === undefined) return undefined;
  const { model, size } = prompt;
  for (;;) {
    const inputTokens = tokenCounter.count(model, size);
    if (inputTokens !== undefined) return { usage: { inputTokens, outputTokens: 0 }, timings: {} };
    const firstCount = tokenCounter.firstCount(model);
    if (firstCount === undefined) {
      const end = tokenCounter.beginFirstCount(model);
      // Later than the other listeners, so that what they learn is known when the others go on.
      exchange.onEnd(({ outcome }) => queueMicrotask(() => end(outcome === 'client_closed')));
      return undefined;
    }
    const mayTryAgain = await untilEnd(firstCount, exchange.signal);
    if (!mayTryAgain && tokenCounter.count(model, size) === undefined) return undefined;
  }
}

/** @returns what the promise resolves with. @throws {GatewayError} when the client leaves before */
async function untilEnd(firstCount: Promise<boolean>, signal: Exchange['signal']): Promise<boolean> {
  const { promise: left, resolve } = Promise.withResolvers<boolean>();
  const leave = (): void => resolve(false);
  signal.addEventListener('abort', leave);
  const mayTryAgain = await Promise.race([firstCount, left]);
  signal.removeEventListener('abort', leave);
  signal.throwIfAborted();
  return mayTryAgain;
}

/** @returns an estimate for a prompt of which the server reported no count; undefined if it reported one, or it cannot be estimated */
export function estimateMissing(
  prepared: PreparedCall,
  { usage: { inputTokens, outputTokens }, timings }: TotalUsage,
  { tokenCounter }: Services,
): TotalUsage | undefined {
  const prompt = inputTokens === 0 ? countablePrompt(prepared) : undefined;
  if (prompt === undefined) return undefined;
  const estimated = tokenCounter.count(prompt.model, prompt.size) ?? prompt.size.tokens;
  return { usage: { inputTokens: estimated, outputTokens }, timings };
}

/** @returns a prompt whose tokens can be estimated; undefined for several prompts, and for one that may be counted twice */
function countablePrompt({ requests }: PreparedCall): { readonly model: string; readonly size: Countable } | undefined {
  const [request, ...others] = requests;
  // An answer that does not match its format is asked for again.
  if (others.length > 0 || request.format !== undefined) return undefined;
  return { model: request.model, size: countable(request) };
}
