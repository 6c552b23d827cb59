import type { Message } from 'ollama';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { type CompleteResponse, completeResponse } from '../response.ts';
import { type WireToolCall, toToolCall } from '../tool-call.ts';

/** @returns an answer that is not streamed. @see https://docs.ollama.com/api/chat */
export function toChatResponse(
  results: readonly ChatResult[],
  total: TotalUsage,
  head: AnswerHead,
): CompleteResponse<{ message: WireMessage }> {
  return completeResponse(results, total, head, (result) => ({ message: toMessage(result) }));
}

type WireMessage = Omit<Message, 'tool_calls'> & { readonly tool_calls?: WireToolCall[] };

function toMessage({ text, reasoning, toolCalls }: ChatResult): WireMessage {
  return {
    role: 'assistant',
    content: text,
    ...(reasoning !== '' && { thinking: reasoning }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(toToolCall) }),
  };
}
