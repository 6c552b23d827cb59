import { isObject, textIn } from '../../../framing/json.ts';

interface Compacted {
  /** The summary that stands for everything before it; undefined for a history without one. */
  readonly summary: string | undefined;
  /** Index of the first message that is not summarized. */
  readonly start: number;
  /** The blocks that follow the summary in its own message. */
  readonly first: readonly unknown[] | undefined;
}

/**
 * Finds the last `compaction` block. The API ignores what comes before it, and clients leave it in their history.
 *
 * @param messages a list that may hold anything
 * @see https://platform.claude.com/docs/en/build-with-claude/compaction
 */
export function afterCompaction(messages: readonly unknown[]): Compacted {
  for (let start = messages.length - 1; start >= 0; start -= 1) {
    const message = messages[start];
    const content: unknown = isObject(message) ? message['content'] : undefined;
    if (!Array.isArray(content)) continue;
    const block = content.findLastIndex(
      (part) => isObject(part) && part['type'] === 'compaction' && textIn(part['content']) !== '',
    );
    if (block < 0) continue;
    const { content: summary } = content[block] as { readonly content: string };
    return { summary, start, first: content.slice(block + 1) };
  }
  return { summary: undefined, start: 0, first: undefined };
}
