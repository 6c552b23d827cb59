import type { Citation, Search } from '../../../chat/search.ts';

/** What an answer is based on. @see https://ai.google.dev/api/generate-content#GroundingMetadata */
export interface GroundingMetadata {
  readonly webSearchQueries: readonly string[];
  readonly groundingChunks: readonly { readonly web: { readonly uri: string; readonly title: string } }[];
  readonly groundingSupports?: readonly {
    readonly segment: {
      readonly partIndex?: number;
      readonly startIndex?: number;
      readonly endIndex: number;
      readonly text: string;
    };
    readonly groundingChunkIndices: readonly number[];
  }[];
}

interface Grounds {
  readonly searches: readonly Search[];
  readonly citations: readonly Citation[];
  /** The text that the citations are in. */
  readonly text: string;
  /** Index of the part with this text. */
  readonly part: number;
}

/** @returns the searches of an answer that had an outcome; undefined if there was none */
export function toGrounding({ searches, citations, text, part }: Grounds): GroundingMetadata | undefined {
  const chunks = new Map<string, { readonly index: number; readonly title: string }>();
  const queries = new Set<string>();
  for (const { query, outcome } of searches) {
    if ('fault' in outcome) continue;
    queries.add(query);
    for (const { url, title } of outcome.results) if (!chunks.has(url)) chunks.set(url, { index: chunks.size, title });
  }
  if (queries.size === 0) return undefined;
  // They have the order of the text, so that each character before the last one is counted once.
  let counted = { at: 0, bytes: 0 };
  const supports = citations.flatMap(({ url, start, end }) => {
    const index = chunks.get(url)?.index;
    if (index === undefined) return [];
    // Google counts bytes, and leaves out zeros.
    const startIndex = counted.bytes + Buffer.byteLength(text.slice(counted.at, start));
    const cited = text.slice(start, end);
    counted = { at: start, bytes: startIndex };
    const segment = {
      ...(part > 0 && { partIndex: part }),
      ...(startIndex > 0 && { startIndex }),
      endIndex: startIndex + Buffer.byteLength(cited),
      text: cited,
    };
    return [{ segment, groundingChunkIndices: [index] }];
  });
  return {
    webSearchQueries: [...queries],
    groundingChunks: [...chunks].map(([uri, { title }]) => ({ web: { uri, title } })),
    ...(supports.length > 0 && { groundingSupports: supports }),
  };
}
