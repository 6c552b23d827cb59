import type { ChatCompletion, ChatCompletionMessage } from 'openai/resources/chat/completions';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import type { ChatResult } from '../../../chat/accumulator.ts';
import { joinTurns } from '../../../chat/joined-turns.ts';
import { toAnnotation } from './annotations.ts';
import { type AnswerShape, type ReasoningFields, reasoningFields } from './reasoning.ts';
import { toUsage } from '../usage.ts';
import { toToolCall } from './tools.ts';

/** @returns an answer that is not streamed. @see https://platform.openai.com/docs/api-reference/chat/object */
export function toChatCompletion(
  results: readonly ChatResult[],
  { usage }: TotalUsage,
  head: AnswerHead,
  shape: AnswerShape,
): ChatCompletion {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: results.map((result, index) => ({
      index,
      message: toMessage(result, shape),
      logprobs: result.logprobs.length > 0 ? { content: [...result.logprobs], refusal: null } : null,
      finish_reason:
        shape.usesFunctions && result.finishReason === 'tool_calls' ? 'function_call' : result.finishReason,
    })),
    usage: toUsage(usage),
  };
}

function toMessage(
  result: ChatResult,
  { reasoningField, usesFunctions, customTools }: AnswerShape,
): ChatCompletionMessage & ReasoningFields {
  const { toolCalls } = result;
  const { text, reasoning, citations } = joinTurns(result);
  const [call] = toolCalls;
  return {
    role: 'assistant',
    content: text === '' && toolCalls.length > 0 ? null : text,
    ...(reasoning !== '' && reasoningFields(reasoning, reasoningField)),
    refusal: null,
    ...(citations.length > 0 && { annotations: citations.map(toAnnotation) }),
    ...(usesFunctions && call !== undefined && { function_call: { name: call.name, arguments: call.arguments } }),
    ...(!usesFunctions && toolCalls.length > 0 && { tool_calls: toolCalls.map((one) => toToolCall(one, customTools)) }),
  };
}
