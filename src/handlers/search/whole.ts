import type { ChatResult } from '../../chat/accumulator.ts';
import type { Search, SearchTurn } from '../../chat/search.ts';
import { sumUsage } from '../../chat/sum-usage.ts';
import type { ToolCallEvent } from '../../chat/event.ts';
import type { PreparedCall } from '../steps/apply-rules.ts';
import type { SearchSession } from './session.ts';

/** An answer, and what came with it. */
interface Collected {
  readonly results: readonly ChatResult[];
}

/**
 * Collects a whole answer of several turns. After each but the last one the web is searched, while no server is occupied.
 *
 * @param collect gets the whole answer to a call
 * @param onTurn called before the model is asked again
 * @returns what the last turn came with, and the one result with the turns before it
 * @throws what `collect` throws, and the reason for which the exchange was cancelled
 */
export async function collectTurns<Answer extends Collected>(
  prepared: PreparedCall,
  session: SearchSession,
  { collect, onTurn }: { readonly collect: (call: PreparedCall) => Promise<Answer>; readonly onTurn: () => void },
): Promise<Answer> {
  const turns: SearchTurn[] = [];
  const parts: ChatResult[] = [];
  for (let call = prepared; ;) {
    const answer = await collect(call);
    const [result] = answer.results;
    if (result === undefined) return answer;
    parts.push(result);
    const { searches, others } = await searchesOf(result, session);
    const { text, reasoning } = result;
    if (searches.length > 0) turns.push({ text, reasoning, searches });
    if (searches.length === 0 || others.length > 0) {
      // The turns contain the text before the searches.
      const rest = searches.length > 0 ? { ...result, text: '', reasoning: '' } : result;
      const isLost = rest.finishReason === 'tool_calls' && others.length === 0;
      const last = {
        ...rest,
        toolCalls: others,
        turns,
        ...sumUsage(parts),
        ...(isLost && { finishReason: 'stop' as const }),
      };
      return { ...answer, results: [last] };
    }
    call = session.next(call, { text, reasoning, searches });
    onTurn();
  }
}

/** Runs the searches that an answer calls. @returns them, and the calls of other tools */
async function searchesOf(
  { toolCalls }: ChatResult,
  session: SearchSession,
): Promise<{ searches: Search[]; others: readonly ToolCallEvent[] }> {
  const isSearch = (call: ToolCallEvent): boolean => session.isSearch(call);
  const others = toolCalls.filter((call) => !isSearch(call));
  if (!session.isOffered || others.length === toolCalls.length) return { searches: [], others };
  const searches = await session.run(toolCalls.filter(isSearch).map((call) => session.read(call)));
  return { searches, others };
}
