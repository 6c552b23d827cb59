import type { Completion, CompletionChoice } from 'openai/resources/completions';
import type { ChatResult } from '../../../chat/accumulator.ts';
import type { FinishReason } from '../../../chat/event.ts';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import { toUsage } from '../usage.ts';
import { toLogprobs } from './logprobs.ts';

/**
 * @param echoes the prompt of each choice; empty when prompts are not echoed
 * @returns an answer that is not streamed
 * @see https://platform.openai.com/docs/api-reference/completions/object
 */
export function toCompletion(
  results: readonly ChatResult[],
  { usage }: TotalUsage,
  head: AnswerHead,
  echoes: readonly string[],
): Completion {
  return {
    id: head.id,
    object: 'text_completion',
    created: head.created,
    model: head.model,
    choices: results.map((result, index) => {
      const echo = echoes[index] ?? '';
      return {
        text: echo + result.text,
        index,
        logprobs: result.logprobs.length > 0 ? toLogprobs(result.logprobs, echo.length) : null,
        finish_reason: toCompletionFinishReason(result.finishReason),
      };
    }),
    usage: toUsage(usage),
  };
}

/** This older API has no reason for tool calls. */
export function toCompletionFinishReason(reason: FinishReason): CompletionChoice['finish_reason'] {
  return reason === 'length' ? 'length' : 'stop';
}
