import type { ChatCompletion, ChatCompletionMessage } from 'openai/resources/chat/completions';
import type { AnswerHead } from '../../../chat/contract.ts';
import type { ChatResult } from '../../../chat/fold.ts';
import { type ReasoningField, type ReasoningFields, reasoningFields } from './reasoning.ts';
import { toUsage } from './usage.ts';

/** A whole answer as one `chat.completion`. @see https://platform.openai.com/docs/api-reference/chat/object */
export function toChatCompletion(result: ChatResult, head: AnswerHead, reasoningField: ReasoningField): ChatCompletion {
  const { text, reasoning, toolCalls, logprobs } = result;
  const message: ChatCompletionMessage & ReasoningFields = {
    role: 'assistant',
    content: text === '' && toolCalls.length > 0 ? null : text,
    ...(reasoning !== '' && reasoningFields(reasoning, reasoningField)),
    refusal: null,
    ...(toolCalls.length > 0 && {
      tool_calls: toolCalls.map((call) => ({
        id: call.id,
        type: 'function' as const,
        function: { name: call.name, arguments: call.arguments },
      })),
    }),
  };
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message,
        logprobs: logprobs.length > 0 ? { content: [...logprobs], refusal: null } : null,
        finish_reason: result.finishReason,
      },
    ],
    usage: toUsage(result.usage),
  };
}
