import type { Message } from '../chat/request.ts';
import { type Content, attachmentsOf, textOf } from './part.ts';

/**
 * Makes a message of a role that has nothing but a content. A role that no API has may be one of the model's own template,
 * so it is passed on.
 *
 * @param role in lower case
 */
export function messageOf(role: string, content: Content): Message {
  const shared = { text: textOf(content), ...attachmentsOf(content) };
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', ...shared };
    case 'user':
      return { role, ...shared, images: content.images };
    case 'assistant':
      // Without the notes about parts that are left out: the model did not write them.
      return {
        role,
        ...shared,
        text: content.texts.join('\n'),
        reasoning: content.thoughts.join('\n'),
        toolCalls: content.calls,
      };
    case 'tool':
    // The role of the first tool calls, which had no ids.
    case 'function':
      return { role: 'tool', ...shared, callId: '', name: undefined };
    default:
      return { role: 'other', name: role, ...shared };
  }
}
