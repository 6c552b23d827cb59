import type { UserMessage } from '../../../../chat/request.ts';

/** An item that stands for the conversation before it. */
export interface CompactionItem {
  readonly type: 'compaction';
  readonly id: string;
  readonly encrypted_content: string;
}

/** A summary that was made here is plain text after this. OpenAI's own are encrypted. */
const mark = 'llamaduct-summary:';

/** Asks the model for the summary. It is the last message, so that the server's cache of the conversation is of use. */
export const compactionRequest: UserMessage = {
  role: 'user',
  text: [
    'Summarize this conversation so that you can go on with it from the summary alone.',
    "Include the user's requests and constraints, what was decided and why, the files, commands and results that matter,",
    'and what remains to be done. Write only the summary.',
  ].join(' '),
  images: [],
};

/** @returns the item of a summary */
export function compactionItem(id: string, summary: string): CompactionItem {
  return { type: 'compaction', id, encrypted_content: mark + summary };
}

/** Stands for a summary that another server encrypted. */
export const unreadableSummary: UserMessage = {
  role: 'user',
  text: '[The conversation before this was summarized by another server. The summary is encrypted, so it is left out.]',
  images: [],
};

/** True for the content of a summary that was made here. */
export function isSummary(content: unknown): content is string {
  return typeof content === 'string' && content.startsWith(mark);
}

/** @returns the message that stands for the conversation before; undefined for a summary that was not made here */
export function summaryMessage(content: unknown): UserMessage | undefined {
  if (!isSummary(content)) return undefined;
  return { role: 'user', text: `Summary of the conversation so far:\n\n${content.slice(mark.length)}`, images: [] };
}
