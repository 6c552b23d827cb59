import { type Countable, countable } from '../../chat/countable.ts';
import type { TotalUsage } from '../../chat/stream.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Services } from '../../services.ts';
import type { PreparedCall } from './apply-rules.ts';

/**
 * Learns how many tokens a prompt has, when the server that answers has counted them.
 *
 * @param isFirstCount true for a request that only counts, for which others of its model wait if nothing was learned yet
 */
export function learnTokens(
  prepared: PreparedCall,
  { tokenCounter }: Services,
  exchange: Exchange,
  isFirstCount: boolean,
): void {
  if (!isFirstCount && !tokenCounter.wants(prepared.requests[0].model)) return;
  const prompt = countablePrompt(prepared);
  if (prompt === undefined) return;
  const { model, size } = prompt;
  const isAlone = isFirstCount && tokenCounter.firstCount(model) === undefined;
  const endFirstCount = isAlone ? tokenCounter.beginFirstCount(model) : undefined;
  exchange.onEnd(({ usage }) => {
    // The usage of several turns is that of several prompts.
    if (usage !== undefined && exchange.turns === 1) tokenCounter.learn(model, size, usage.usage.inputTokens);
    endFirstCount?.();
  });
}

/**
 * Counts the tokens of a prompt without a server. If a server counts for the first time what nobody knows yet, it waits for
 * that, so that an editor that counts at every keystroke starts one generation.
 *
 * @returns undefined if only a server can tell
 * @throws {GatewayError} when the client leaves
 */
export async function countTokens(
  prepared: PreparedCall,
  { tokenCounter }: Services,
  { signal }: Exchange,
): Promise<TotalUsage | undefined> {
  const prompt = countablePrompt(prepared);
  if (prompt === undefined) return undefined;
  const { model, size } = prompt;
  let inputTokens = tokenCounter.count(model, size);
  const firstCount = inputTokens === undefined ? tokenCounter.firstCount(model) : undefined;
  if (firstCount !== undefined) {
    const { promise: left, resolve: leave } = Promise.withResolvers<void>();
    signal.addEventListener('abort', leave);
    await Promise.race([firstCount, left]);
    signal.removeEventListener('abort', leave);
    signal.throwIfAborted();
    inputTokens = tokenCounter.count(model, size);
  }
  return inputTokens === undefined ? undefined : { usage: { inputTokens, outputTokens: 0 }, timings: {} };
}

/** @returns a prompt whose tokens can be estimated; undefined for several prompts, and for one that may be counted twice */
function countablePrompt({ requests }: PreparedCall): { readonly model: string; readonly size: Countable } | undefined {
  const [request, ...others] = requests;
  // An answer that does not match its format is asked for again.
  if (others.length > 0 || request.format !== undefined) return undefined;
  return { model: request.model, size: countable(request) };
}
