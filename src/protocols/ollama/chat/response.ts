import type { Message } from 'ollama';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { toToolCall } from '../tool-call.ts';
import { type Whole, wholeAnswer } from '../whole.ts';

/** A whole answer in one object. @see https://docs.ollama.com/api/chat */
export function toChatResponse(
  results: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
): Whole<{ message: Message }> {
  return wholeAnswer(results, total, head, (result) => ({ message: toMessage(result) }));
}

function toMessage({ text, reasoning, toolCalls }: ChatResult): Message {
  return {
    role: 'assistant',
    content: text,
    ...(reasoning !== '' && { thinking: reasoning }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(toToolCall) }),
  };
}
