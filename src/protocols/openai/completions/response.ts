import type { Completion } from 'openai/resources/completions';
import type { AnswerHead } from '../../../chat/protocol.ts';
import type { TotalUsage } from '../../../chat/stream.ts';
import type { ChatResult } from '../../../chat/accumulator.ts';
import { toUsage } from '../usage.ts';
import { finishReason } from './finish-reason.ts';
import { toLogprobs } from './logprobs.ts';

/**
 * Whole answers as one `text_completion`.
 *
 * @param echoes the prompt of each choice, or none
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
        finish_reason: finishReason(result.finishReason),
      };
    }),
    usage: toUsage(usage),
  };
}
