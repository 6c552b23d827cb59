import type { Message, ToolMessage, UserMessage } from '../../chat/request.ts';

/**
 * Gives every tool call one result, and every result a call: OpenAI and servers that follow it refuse a history in which one
 * lacks the other, as after an interrupted call or in a history that was cut. A result without a call becomes a text of the
 * user, because a made-up call would be one that the model never made.
 *
 * @param messages with an id in each call and each result, the results directly after their calls
 */
export function withPairedResults(messages: readonly Message[]): readonly Message[] {
  const paired: Message[] = [];
  let open = new Set<string>();
  let orphans: UserMessage[] = [];
  const close = (): void => {
    for (const callId of open) paired.push({ role: 'tool', text: noResult, callId, name: undefined });
    paired.push(...orphans);
    open = new Set();
    orphans = [];
  };
  for (const message of messages) {
    if (message.role === 'tool') {
      if (open.delete(message.callId)) paired.push(message);
      else orphans.push(asText(message));
      continue;
    }
    close();
    paired.push(message);
    if (message.role === 'assistant') open = new Set(message.toolCalls.map(({ id }) => id));
  }
  close();
  return paired;
}

const noResult = '(no result: the call was interrupted)';

function asText({ name, text }: ToolMessage): UserMessage {
  return { role: 'user', text: `Result of the tool ${name ?? 'that was called'}:\n${text}`, images: [] };
}
