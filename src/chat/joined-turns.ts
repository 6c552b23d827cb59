import type { ChatResult } from './accumulator.ts';
import { type Citation, citationsIn, resultsOf, turnBreak } from './search.ts';

/** The text and the thinking of an answer, in dialects in which each of them is one text. */
interface JoinedTurns {
  readonly text: string;
  readonly reasoning: string;
  /** The places in the text of the last turn that name addresses of results. */
  readonly citations: readonly Citation[];
}

/** @returns the turns of an answer that searched the web as one text each */
export function joinTurns({ text, reasoning, turns = [] }: ChatResult): JoinedTurns {
  if (turns.length === 0) return { text, reasoning, citations: [] };
  const parts = [...turns, { text, reasoning }];
  const content = join(parts.map((part) => part.text));
  const offset = content.length - text.length;
  const citations = citationsIn(text, resultsOf(turns)).map((citation) => {
    return { ...citation, start: citation.start + offset, end: citation.end + offset };
  });
  return { text: content, reasoning: join(parts.map((part) => part.reasoning)), citations };
}

function join(texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join(turnBreak);
}
